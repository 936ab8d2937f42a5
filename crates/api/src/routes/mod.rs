//! Every route of the API, one module for a resource, one file for a verb.

// Deprecated routes and parameters are served like all others; the attribute is for the document.
#![allow(deprecated)]

mod admin;
mod agents;
mod blocks;
mod health;
mod internal;
mod messages;
mod methods;
mod models;
mod runs;
mod steps;
mod tags;
mod tools;

use actix_web::{ResponseError, web::ServiceConfig};
use utoipa::OpenApi;

use crate::{error::ApiError, managers::schema};
pub(crate) use methods::path;

/// The routing table. Where two paths fit, the first one is taken.
#[rustfmt::skip]
pub(crate) fn routes(config: &mut ServiceConfig) {
    let routes = [
        path("/v1/health").get(health::check_health),
        path("/v1/ready").get(health::check_readiness),

        path("/v1/agents").get(agents::list::list_agents).post(agents::create::create_agent),
        path("/v1/agents/count").get(agents::count::count_agents),
        path("/v1/agents/{agent_id}")
            .get(agents::retrieve::retrieve_agent)
            .patch(agents::update::modify_agent)
            .delete(agents::delete::delete_agent),
        path("/v1/agents/{agent_id}/context").get(agents::context::retrieve_agent_context_window),
        path("/v1/agents/{agent_id}/recompile").post(agents::context::recompile_agent),
        path("/v1/agents/{agent_id}/system-prompt/recompile").post(agents::context::recompile_agent_system_prompt),
        path("/v1/agents/{agent_id}/reset-messages").patch(agents::context::reset_messages),
        path("/v1/agents/{agent_id}/generate").post(agents::generate::generate_completion),
        path("/v1/agents/{agent_id}/core-memory").get(agents::blocks::retrieve_agent_memory),
        path("/v1/agents/{agent_id}/core-memory/blocks").get(agents::blocks::list_core_memory_blocks),
        path("/v1/agents/{agent_id}/core-memory/blocks/attach/{block_id}").patch(agents::blocks::attach_core_memory_block),
        path("/v1/agents/{agent_id}/core-memory/blocks/detach/{block_id}").patch(agents::blocks::detach_core_memory_block),
        path("/v1/agents/{agent_id}/core-memory/blocks/{block_label:.+}")
            .get(agents::blocks::retrieve_core_memory_block)
            .patch(agents::blocks::modify_core_memory_block),
        path("/v1/agents/{agent_id}/tools").get(agents::tools::list_tools_for_agent),
        path("/v1/agents/{agent_id}/tools/attach/{tool_id}").patch(agents::tools::attach_tool_to_agent),
        path("/v1/agents/{agent_id}/tools/detach/{tool_id}").patch(agents::tools::detach_tool_from_agent),
        path("/v1/agents/{agent_id}/tools/approval/{tool_name}").patch(agents::tools::modify_approval_for_tool),
        path("/v1/agents/{agent_id}/messages").get(agents::messages::list_messages).post(agents::messages::send_message),
        path("/v1/agents/{agent_id}/messages/stream").post(agents::messages::create_agent_message_stream),
        path("/v1/agents/{agent_id}/messages/{message_id}").patch(agents::messages::modify_message),

        path("/v1/blocks").get(blocks::list::list_blocks).post(blocks::create::create_block),
        path("/v1/blocks/count").get(blocks::count::count_blocks),
        path("/v1/blocks/{block_id}")
            .get(blocks::retrieve::retrieve_block)
            .patch(blocks::update::modify_block)
            .delete(blocks::delete::delete_block),
        path("/v1/blocks/{block_id}/agents").get(blocks::agents::list_agents_for_block),

        path("/v1/tools").get(tools::list::list_tools),
        path("/v1/tools/count").get(tools::count::count_tools),
        path("/v1/tools/{tool_id}").get(tools::retrieve::retrieve_tool),

        path("/v1/tags").get(tags::list_tags),

        path("/v1/models").get(models::list_models),
        path("/v1/models/embedding").get(models::list_embedding_models),

        path("/v1/runs").get(runs::list::list_runs),
        path("/v1/runs/active").get(runs::active::list_active_runs),
        path("/v1/runs/{run_id}").get(runs::retrieve::retrieve_run).delete(runs::delete::delete_run),
        path("/v1/runs/{run_id}/metrics").get(runs::metrics::retrieve_metrics_for_run),
        path("/v1/runs/{run_id}/messages").get(runs::messages::list_messages_for_run),
        path("/v1/runs/{run_id}/usage").get(runs::usage::retrieve_usage_for_run),
        path("/v1/runs/{run_id}/steps").get(runs::steps::list_steps_for_run),

        path("/v1/steps").get(steps::list::list_steps),
        path("/v1/steps/{step_id}").get(steps::retrieve::retrieve_step),
        path("/v1/steps/{step_id}/metrics").get(steps::metrics::retrieve_metrics_for_step),
        path("/v1/steps/{step_id}/feedback").patch(steps::feedback::modify_feedback_for_step),
        path("/v1/steps/{step_id}/messages").get(steps::messages::list_messages_for_step),

        path("/v1/messages").get(messages::list::list_all_messages),
        path("/v1/messages/{message_id}").get(messages::retrieve::retrieve_message),

        path("/v1/_internal_agents/count").get(internal::agents::count_internal_agents),
        path("/v1/_internal_agents/{agent_id}/core-memory/blocks/{block_label:.+}")
            .patch(internal::agents::modify_internal_core_memory_block),
        path("/v1/_internal_blocks").get(internal::blocks::list_internal_blocks).post(internal::blocks::create_internal_block),
        path("/v1/_internal_blocks/{block_id}").delete(internal::blocks::delete_internal_block),
        path("/v1/_internal_blocks/{block_id}/agents").get(internal::blocks::list_agents_for_internal_block),
        path("/v1/_internal_runs").get(internal::runs::list_internal_runs),

        path("/v1/admin/orgs")
            .get(admin::organizations::list_organizations)
            .post(admin::organizations::create_organization)
            .patch(admin::organizations::update_organization)
            .delete(admin::organizations::delete_organization),
        path("/v1/admin/users")
            .get(admin::users::list_users)
            .post(admin::users::create_user)
            .put(admin::users::update_user)
            .delete(admin::users::delete_user),
    ];
    routes.into_iter().for_each(|route| route.register(config));
}

/// A path that is no route.
pub(crate) async fn not_found() -> actix_web::HttpResponse {
    ApiError::not_found().error_response()
}

/// The operations of the OpenAPI document.
#[derive(OpenApi)]
#[openapi(
    info(title = "Muisti", description = "Stateful agents: memory, tools and conversations behind one API."),
    // Named by parameters only, which does not make them components.
    components(schemas(
        schema::AgentInclude,
        schema::FeedbackType,
        schema::MessageType,
        schema::ProviderCategory,
        schema::ProviderType,
        schema::RunStatus,
        schema::StopReason,
    )),
    paths(
        health::check_health,
        health::check_readiness,
        agents::list::list_agents,
        agents::create::create_agent,
        agents::count::count_agents,
        agents::retrieve::retrieve_agent,
        agents::update::modify_agent,
        agents::delete::delete_agent,
        agents::context::retrieve_agent_context_window,
        agents::context::recompile_agent,
        agents::context::recompile_agent_system_prompt,
        agents::context::reset_messages,
        agents::generate::generate_completion,
        agents::blocks::retrieve_agent_memory,
        agents::blocks::list_core_memory_blocks,
        agents::blocks::attach_core_memory_block,
        agents::blocks::detach_core_memory_block,
        agents::blocks::retrieve_core_memory_block,
        agents::blocks::modify_core_memory_block,
        agents::tools::list_tools_for_agent,
        agents::tools::attach_tool_to_agent,
        agents::tools::detach_tool_from_agent,
        agents::tools::modify_approval_for_tool,
        agents::messages::list_messages,
        agents::messages::send_message,
        agents::messages::create_agent_message_stream,
        agents::messages::modify_message,
        blocks::list::list_blocks,
        blocks::create::create_block,
        blocks::count::count_blocks,
        blocks::retrieve::retrieve_block,
        blocks::update::modify_block,
        blocks::delete::delete_block,
        blocks::agents::list_agents_for_block,
        tools::list::list_tools,
        tools::count::count_tools,
        tools::retrieve::retrieve_tool,
        tags::list_tags,
        models::list_models,
        models::list_embedding_models,
        runs::list::list_runs,
        runs::active::list_active_runs,
        runs::retrieve::retrieve_run,
        runs::delete::delete_run,
        runs::metrics::retrieve_metrics_for_run,
        runs::messages::list_messages_for_run,
        runs::usage::retrieve_usage_for_run,
        runs::steps::list_steps_for_run,
        steps::list::list_steps,
        steps::retrieve::retrieve_step,
        steps::metrics::retrieve_metrics_for_step,
        steps::feedback::modify_feedback_for_step,
        steps::messages::list_messages_for_step,
        messages::list::list_all_messages,
        messages::retrieve::retrieve_message,
        internal::agents::count_internal_agents,
        internal::agents::modify_internal_core_memory_block,
        internal::blocks::list_internal_blocks,
        internal::blocks::create_internal_block,
        internal::blocks::delete_internal_block,
        internal::blocks::list_agents_for_internal_block,
        internal::runs::list_internal_runs,
    )
)]
pub(crate) struct Documented;
