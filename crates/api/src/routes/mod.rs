//! Every route of the API, one module for a resource, one file for a verb.

// Deprecated routes and parameters are served like all others; the attribute is for the document.
#![allow(deprecated)]

mod admin;
mod agents;
mod archives;
mod blocks;
mod chat;
mod conversations;
mod folders;
mod groups;
mod health;
mod identities;
mod internal;
mod jobs;
mod messages;
mod methods;
mod models;
mod passages;
mod runs;
mod sources;
mod steps;
mod tags;
mod telemetry;
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
        path("/v1/agents/messages/search").post(agents::search::search_messages),
        path("/v1/agents/import").post(agents::import::import_agent),
        path("/v1/agents/{agent_id}/export")
            .get(agents::export::export_agent)
            .post(agents::export::export_agent_with_skills),
        path("/v1/agents/{agent_id}")
            .get(agents::retrieve::retrieve_agent)
            .patch(agents::update::modify_agent)
            .delete(agents::delete::delete_agent),
        path("/v1/agents/{agent_id}/context").get(agents::context::retrieve_agent_context_window),
        path("/v1/agents/{agent_id}/recompile").post(agents::context::recompile_agent),
        path("/v1/agents/{agent_id}/system-prompt/recompile").post(agents::context::recompile_agent_system_prompt),
        path("/v1/agents/{agent_id}/reset-messages").patch(agents::context::reset_messages),
        path("/v1/agents/{agent_id}/summarize").post(agents::summarize::summarize_messages),
        path("/v1/agents/{agent_id}/generate").post(agents::generate::generate_completion),
        path("/v1/agents/{agent_id}/core-memory").get(agents::blocks::retrieve_agent_memory),
        path("/v1/agents/{agent_id}/core-memory/blocks").get(agents::blocks::list_core_memory_blocks),
        path("/v1/agents/{agent_id}/core-memory/blocks/attach/{block_id}").patch(agents::blocks::attach_core_memory_block),
        path("/v1/agents/{agent_id}/core-memory/blocks/detach/{block_id}").patch(agents::blocks::detach_core_memory_block),
        path("/v1/agents/{agent_id}/core-memory/blocks/{block_label:.+}")
            .get(agents::blocks::retrieve_core_memory_block)
            .patch(agents::blocks::modify_core_memory_block),
        path("/v1/agents/{agent_id}/identities/attach/{identity_id}").patch(agents::identities::attach_identity_to_agent),
        path("/v1/agents/{agent_id}/identities/detach/{identity_id}").patch(agents::identities::detach_identity_from_agent),
        path("/v1/agents/{agent_id}/groups").get(agents::groups::list_groups_for_agent),
        path("/v1/agents/{agent_id}/tools").get(agents::tools::list_tools_for_agent),
        path("/v1/agents/{agent_id}/tools/attach/{tool_id}").patch(agents::tools::attach_tool_to_agent),
        path("/v1/agents/{agent_id}/tools/detach/{tool_id}").patch(agents::tools::detach_tool_from_agent),
        path("/v1/agents/{agent_id}/tools/approval/{tool_name}").patch(agents::tools::modify_approval_for_tool),
        path("/v1/agents/{agent_id}/tools/{tool_name}/run").post(agents::tools::run_tool_for_agent),
        path("/v1/agents/{agent_id}/archives/attach/{archive_id}").patch(agents::archives::attach_archive_to_agent),
        path("/v1/agents/{agent_id}/archives/detach/{archive_id}").patch(agents::archives::detach_archive_from_agent),
        path("/v1/agents/{agent_id}/archival-memory")
            .get(agents::archival_memory::list_passages)
            .post(agents::archival_memory::create_passage),
        path("/v1/agents/{agent_id}/archival-memory/search").get(agents::archival_memory::search_archival_memory),
        path("/v1/agents/{agent_id}/archival-memory/{memory_id}").delete(agents::archival_memory::delete_passage),
        path("/v1/agents/{agent_id}/folders").get(agents::folders::list_folders_for_agent),
        path("/v1/agents/{agent_id}/folders/attach/{folder_id}").patch(agents::folders::attach_folder_to_agent),
        path("/v1/agents/{agent_id}/folders/detach/{folder_id}").patch(agents::folders::detach_folder_from_agent),
        path("/v1/agents/{agent_id}/sources").get(agents::sources::list_agent_sources),
        path("/v1/agents/{agent_id}/sources/attach/{source_id}").patch(agents::sources::attach_source_to_agent),
        path("/v1/agents/{agent_id}/sources/detach/{source_id}").patch(agents::sources::detach_source_from_agent),
        path("/v1/agents/{agent_id}/files").get(agents::files::list_files_for_agent),
        path("/v1/agents/{agent_id}/files/close-all").patch(agents::files::close_all_files_for_agent),
        path("/v1/agents/{agent_id}/files/{file_id}/open").patch(agents::files::open_file_for_agent),
        path("/v1/agents/{agent_id}/files/{file_id}/close").patch(agents::files::close_file_for_agent),
        path("/v1/agents/{agent_id}/messages").get(agents::messages::list_messages).post(agents::messages::send_message),
        path("/v1/agents/{agent_id}/messages/stream").post(agents::messages::create_agent_message_stream),
        path("/v1/agents/{agent_id}/messages/preview-raw-payload").post(agents::preview::preview_model_request),
        path("/v1/agents/{agent_id}/messages/capture").post(agents::capture::capture_messages),
        path("/v1/agents/{agent_id}/messages/async").post(agents::messages::create_agent_message_async),
        path("/v1/agents/{agent_id}/messages/cancel").post(agents::messages::cancel_message),
        path("/v1/agents/{agent_id}/messages/reset-pending").post(agents::messages::reset_pending),
        path("/v1/agents/{agent_id}/messages/{message_id}").patch(agents::messages::modify_message),

        path("/v1/blocks").get(blocks::list::list_blocks).post(blocks::create::create_block),
        path("/v1/blocks/count").get(blocks::count::count_blocks),
        path("/v1/blocks/{block_id}")
            .get(blocks::retrieve::retrieve_block)
            .patch(blocks::update::modify_block)
            .delete(blocks::delete::delete_block),
        path("/v1/blocks/{block_id}/agents").get(blocks::agents::list_agents_for_block),
        path("/v1/blocks/{block_id}/identities/attach/{identity_id}").patch(blocks::identities::attach_identity_to_block),
        path("/v1/blocks/{block_id}/identities/detach/{identity_id}").patch(blocks::identities::detach_identity_from_block),

        path("/v1/identities")
            .get(identities::list::list_identities)
            .post(identities::create::create_identity)
            .put(identities::upsert::upsert_identity),
        path("/v1/identities/count").get(identities::count::count_identities),
        path("/v1/identities/{identity_id}")
            .get(identities::retrieve::retrieve_identity)
            .patch(identities::update::update_identity)
            .delete(identities::delete::delete_identity),
        path("/v1/identities/{identity_id}/properties").put(identities::properties::upsert_properties_for_identity),
        path("/v1/identities/{identity_id}/agents").get(identities::agents::list_agents_for_identity),
        path("/v1/identities/{identity_id}/blocks").get(identities::blocks::list_blocks_for_identity),

        path("/v1/groups").get(groups::list::list_groups).post(groups::create::create_group),
        path("/v1/groups/count").get(groups::count::count_groups),
        path("/v1/groups/{group_id}")
            .get(groups::retrieve::retrieve_group)
            .patch(groups::update::modify_group)
            .delete(groups::delete::delete_group),
        path("/v1/groups/{group_id}/messages").get(groups::messages::list_group_messages),
        path("/v1/groups/{group_id}/messages/{message_id}").patch(groups::messages::modify_group_message),
        path("/v1/groups/{group_id}/reset-messages").patch(groups::messages::reset_group_messages),
        path("/v1/groups/{group_id}/blocks/attach/{block_id}").patch(groups::blocks::attach_block_to_group),
        path("/v1/groups/{group_id}/blocks/detach/{block_id}").patch(groups::blocks::detach_block_from_group),

        path("/v1/archives").get(archives::list::list_archives).post(archives::create::create_archive),
        path("/v1/archives/{archive_id}")
            .get(archives::retrieve::retrieve_archive)
            .patch(archives::update::modify_archive)
            .delete(archives::delete::delete_archive),
        path("/v1/archives/{archive_id}/agents").get(archives::agents::list_agents_for_archive),
        path("/v1/archives/{archive_id}/passages").post(archives::passages::create_passage_in_archive),
        path("/v1/archives/{archive_id}/passages/batch").post(archives::passages::create_passages_in_archive),
        path("/v1/archives/{archive_id}/passages/{passage_id}").delete(archives::passages::delete_passage_from_archive),

        path("/v1/conversations")
            .get(conversations::list::list_conversations)
            .post(conversations::create::create_conversation),
        path("/v1/conversations/{conversation_id}")
            .get(conversations::retrieve::retrieve_conversation)
            .patch(conversations::update::update_conversation)
            .delete(conversations::delete::delete_conversation),
        path("/v1/conversations/{conversation_id}/compact").post(conversations::compact::compact_conversation),
        path("/v1/conversations/{conversation_id}/fork").post(conversations::fork::fork_conversation),
        path("/v1/conversations/{conversation_id}/recompile").post(conversations::recompile::recompile_conversation),
        path("/v1/conversations/{conversation_id}/stream").post(conversations::stream::retrieve_conversation_stream),
        path("/v1/conversations/{conversation_id}/cancel").post(conversations::cancel::cancel_conversation),
        path("/v1/conversations/{conversation_id}/reset-pending")
            .post(conversations::cancel::reset_conversation_pending),
        path("/v1/conversations/{conversation_id}/messages")
            .get(conversations::messages::list_conversation_messages)
            .post(conversations::send::send_conversation_message),
        path("/v1/conversations/{conversation_id}/messages/preview-raw-payload")
            .post(conversations::preview::preview_conversation_model_request),
        path("/v1/conversations/{conversation_id}/messages/import").post(conversations::import::import_conversation_messages),

        path("/v1/passages/search").post(passages::search::search_passages),

        path("/v1/folders").get(folders::list::list_folders).post(folders::create::create_folder),
        path("/v1/folders/count").get(folders::count::count_folders),
        path("/v1/folders/metadata").get(folders::metadata::retrieve_metadata),
        path("/v1/folders/name/{folder_name:.+}").get(folders::by_name::get_folder_by_name),
        path("/v1/folders/{folder_id}")
            .get(folders::retrieve::retrieve_folder)
            .patch(folders::update::modify_folder)
            .delete(folders::delete::delete_folder),
        path("/v1/folders/{folder_id}/agents").get(folders::agents::list_agents_for_folder),
        path("/v1/folders/{folder_id}/files").get(folders::files::list_files_for_folder),
        path("/v1/folders/{folder_id}/files/{file_id}").get(folders::files::retrieve_file),
        path("/v1/folders/{folder_id}/{file_id}").delete(folders::files::delete_file_from_folder),

        path("/v1/sources").get(sources::list::list_sources).post(sources::create::create_source),
        path("/v1/sources/count").get(sources::count::count_sources),
        path("/v1/sources/metadata").get(sources::metadata::get_sources_metadata),
        path("/v1/sources/name/{source_name:.+}").get(sources::by_name::get_source_id_by_name),
        path("/v1/sources/{source_id}")
            .get(sources::retrieve::retrieve_source)
            .patch(sources::update::modify_source)
            .delete(sources::delete::delete_source),
        path("/v1/sources/{source_id}/agents").get(sources::agents::get_agents_for_source),
        path("/v1/sources/{source_id}/files").get(sources::files::list_source_files),
        path("/v1/sources/{source_id}/files/{file_id}").get(sources::files::get_file_metadata),
        path("/v1/sources/{source_id}/{file_id}").delete(sources::files::delete_file_from_source),

        path("/v1/tools")
            .get(tools::list::list_tools)
            .post(tools::create::create_tool)
            .put(tools::upsert::upsert_tool),
        path("/v1/tools/count").get(tools::count::count_tools),
        path("/v1/tools/search").post(tools::search::search_tools),
        path("/v1/tools/add-base-tools").post(tools::base::add_base_tools),
        path("/v1/tools/generate-schema").post(tools::generate_schema::generate_schema),
        path("/v1/tools/{tool_id}")
            .get(tools::retrieve::retrieve_tool)
            .patch(tools::update::modify_tool)
            .delete(tools::delete::delete_tool),

        path("/v1/tags").get(tags::list_tags),

        path("/v1/models").get(models::list_models),
        path("/v1/models/embedding").get(models::list_embedding_models),

        path("/v1/runs").get(runs::list::list_runs),
        path("/v1/runs/active").get(runs::active::list_active_runs),
        path("/v1/runs/{run_id}").get(runs::retrieve::retrieve_run).delete(runs::delete::delete_run),
        path("/v1/runs/{run_id}/metrics").get(runs::metrics::retrieve_metrics_for_run),
        path("/v1/runs/{run_id}/messages").get(runs::messages::list_messages_for_run),
        path("/v1/runs/{run_id}/trace").get(runs::trace::retrieve_trace_for_run),
        path("/v1/runs/{run_id}/usage").get(runs::usage::retrieve_usage_for_run),
        path("/v1/runs/{run_id}/steps").get(runs::steps::list_steps_for_run),
        path("/v1/runs/{run_id}/stream").post(runs::stream::retrieve_stream_for_run),

        path("/v1/jobs").get(jobs::list::list_jobs),
        path("/v1/jobs/active").get(jobs::active::list_active_jobs),
        path("/v1/jobs/{job_id}").get(jobs::retrieve::retrieve_job).delete(jobs::delete::delete_job),
        path("/v1/jobs/{job_id}/cancel").patch(jobs::cancel::cancel_job),

        path("/v1/steps").get(steps::list::list_steps),
        path("/v1/steps/{step_id}").get(steps::retrieve::retrieve_step),
        path("/v1/steps/{step_id}/metrics").get(steps::metrics::retrieve_metrics_for_step),
        path("/v1/steps/{step_id}/trace").get(steps::trace::retrieve_trace_for_step),
        path("/v1/steps/{step_id}/feedback").patch(steps::feedback::modify_feedback_for_step),
        path("/v1/steps/{step_id}/messages").get(steps::messages::list_messages_for_step),

        path("/v1/messages").get(messages::list::list_all_messages),
        path("/v1/messages/search").post(messages::search::search_all_messages),
        path("/v1/messages/{message_id}").get(messages::retrieve::retrieve_message),

        path("/v1/telemetry/{step_id}").get(telemetry::retrieve_provider_trace),

        path("/v1/chat/completions").post(chat::completions::create_chat_completion),
        path("/v1/voice-beta/{agent_id}/chat/completions").post(chat::voice::create_voice_chat_completions),

        path("/v1/_internal_agents/count").get(internal::agents::count_internal_agents),
        path("/v1/_internal_agents/{agent_id}/core-memory/blocks/{block_label:.+}")
            .patch(internal::agents::modify_internal_core_memory_block),
        path("/v1/_internal_blocks").get(internal::blocks::list_internal_blocks).post(internal::blocks::create_internal_block),
        path("/v1/_internal_blocks/{block_id}").delete(internal::blocks::delete_internal_block),
        path("/v1/_internal_blocks/{block_id}/agents").get(internal::blocks::list_agents_for_internal_block),
        path("/v1/_internal_runs").get(internal::runs::list_internal_runs),
        path("/v1/_internal_templates/groups").post(internal::templates::create_internal_template_group),
        path("/v1/_internal_templates/agents").post(internal::templates::create_internal_template_agent),
        path("/v1/_internal_templates/blocks").post(internal::templates::create_internal_template_block),
        path("/v1/_internal_templates/blocks/batch").post(internal::templates::create_internal_template_blocks_batch),
        path("/v1/_internal_templates/deployment/{deployment_id}")
            .get(internal::templates::list_deployment_entities)
            .delete(internal::templates::delete_deployment),

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
        internal::runs::ComparisonOperator,
        schema::AgentInclude,
        schema::FeedbackType,
        schema::MessageType,
        schema::ProviderCategory,
        schema::ProviderType,
        schema::RunStatus,
        schema::StopReason,
        schema::TagMatchMode,
    )),
    paths(
        health::check_health,
        health::check_readiness,
        agents::list::list_agents,
        agents::create::create_agent,
        agents::count::count_agents,
        agents::export::export_agent,
        agents::export::export_agent_with_skills,
        agents::import::import_agent,
        agents::retrieve::retrieve_agent,
        agents::update::modify_agent,
        agents::delete::delete_agent,
        agents::context::retrieve_agent_context_window,
        agents::context::recompile_agent,
        agents::context::recompile_agent_system_prompt,
        agents::context::reset_messages,
        agents::summarize::summarize_messages,
        agents::generate::generate_completion,
        agents::blocks::retrieve_agent_memory,
        agents::blocks::list_core_memory_blocks,
        agents::blocks::attach_core_memory_block,
        agents::blocks::detach_core_memory_block,
        agents::blocks::retrieve_core_memory_block,
        agents::blocks::modify_core_memory_block,
        agents::identities::attach_identity_to_agent,
        agents::identities::detach_identity_from_agent,
        agents::groups::list_groups_for_agent,
        agents::tools::list_tools_for_agent,
        agents::tools::attach_tool_to_agent,
        agents::tools::detach_tool_from_agent,
        agents::tools::modify_approval_for_tool,
        agents::tools::run_tool_for_agent,
        agents::archives::attach_archive_to_agent,
        agents::archives::detach_archive_from_agent,
        agents::archival_memory::list_passages,
        agents::archival_memory::create_passage,
        agents::archival_memory::search_archival_memory,
        agents::archival_memory::delete_passage,
        agents::folders::list_folders_for_agent,
        agents::folders::attach_folder_to_agent,
        agents::folders::detach_folder_from_agent,
        agents::sources::list_agent_sources,
        agents::sources::attach_source_to_agent,
        agents::sources::detach_source_from_agent,
        agents::files::list_files_for_agent,
        agents::files::close_all_files_for_agent,
        agents::files::open_file_for_agent,
        agents::files::close_file_for_agent,
        agents::search::search_messages,
        agents::messages::list_messages,
        agents::messages::send_message,
        agents::messages::create_agent_message_stream,
        agents::preview::preview_model_request,
        agents::messages::create_agent_message_async,
        agents::messages::cancel_message,
        agents::messages::reset_pending,
        agents::messages::modify_message,
        blocks::list::list_blocks,
        blocks::create::create_block,
        blocks::count::count_blocks,
        blocks::retrieve::retrieve_block,
        blocks::update::modify_block,
        blocks::delete::delete_block,
        blocks::agents::list_agents_for_block,
        blocks::identities::attach_identity_to_block,
        blocks::identities::detach_identity_from_block,
        identities::list::list_identities,
        identities::create::create_identity,
        identities::upsert::upsert_identity,
        identities::count::count_identities,
        identities::retrieve::retrieve_identity,
        identities::update::update_identity,
        identities::delete::delete_identity,
        identities::properties::upsert_properties_for_identity,
        identities::agents::list_agents_for_identity,
        identities::blocks::list_blocks_for_identity,
        groups::list::list_groups,
        groups::create::create_group,
        groups::count::count_groups,
        groups::retrieve::retrieve_group,
        groups::update::modify_group,
        groups::delete::delete_group,
        groups::messages::list_group_messages,
        groups::messages::modify_group_message,
        groups::messages::reset_group_messages,
        groups::blocks::attach_block_to_group,
        groups::blocks::detach_block_from_group,
        archives::list::list_archives,
        archives::create::create_archive,
        archives::retrieve::retrieve_archive,
        archives::update::modify_archive,
        archives::delete::delete_archive,
        archives::agents::list_agents_for_archive,
        archives::passages::create_passage_in_archive,
        archives::passages::create_passages_in_archive,
        archives::passages::delete_passage_from_archive,
        conversations::stream::retrieve_conversation_stream,
        conversations::list::list_conversations,
        conversations::create::create_conversation,
        conversations::compact::compact_conversation,
        conversations::retrieve::retrieve_conversation,
        conversations::update::update_conversation,
        conversations::delete::delete_conversation,
        conversations::fork::fork_conversation,
        conversations::recompile::recompile_conversation,
        conversations::messages::list_conversation_messages,
        conversations::send::send_conversation_message,
        conversations::cancel::cancel_conversation,
        conversations::cancel::reset_conversation_pending,
        conversations::preview::preview_conversation_model_request,
        conversations::import::import_conversation_messages,
        passages::search::search_passages,
        folders::list::list_folders,
        folders::create::create_folder,
        folders::count::count_folders,
        folders::metadata::retrieve_metadata,
        folders::by_name::get_folder_by_name,
        folders::retrieve::retrieve_folder,
        folders::update::modify_folder,
        folders::delete::delete_folder,
        folders::agents::list_agents_for_folder,
        folders::files::list_files_for_folder,
        folders::files::retrieve_file,
        folders::files::delete_file_from_folder,
        sources::list::list_sources,
        sources::create::create_source,
        sources::count::count_sources,
        sources::metadata::get_sources_metadata,
        sources::by_name::get_source_id_by_name,
        sources::retrieve::retrieve_source,
        sources::update::modify_source,
        sources::delete::delete_source,
        sources::agents::get_agents_for_source,
        sources::files::list_source_files,
        sources::files::get_file_metadata,
        sources::files::delete_file_from_source,
        tools::list::list_tools,
        tools::create::create_tool,
        tools::upsert::upsert_tool,
        tools::count::count_tools,
        tools::search::search_tools,
        tools::base::add_base_tools,
        tools::retrieve::retrieve_tool,
        tools::update::modify_tool,
        tools::delete::delete_tool,
        tags::list_tags,
        models::list_models,
        models::list_embedding_models,
        runs::list::list_runs,
        runs::active::list_active_runs,
        runs::retrieve::retrieve_run,
        runs::delete::delete_run,
        runs::metrics::retrieve_metrics_for_run,
        runs::messages::list_messages_for_run,
        runs::trace::retrieve_trace_for_run,
        runs::usage::retrieve_usage_for_run,
        runs::steps::list_steps_for_run,
        runs::stream::retrieve_stream_for_run,
        jobs::list::list_jobs,
        jobs::active::list_active_jobs,
        jobs::retrieve::retrieve_job,
        jobs::cancel::cancel_job,
        jobs::delete::delete_job,
        steps::list::list_steps,
        steps::retrieve::retrieve_step,
        steps::metrics::retrieve_metrics_for_step,
        steps::feedback::modify_feedback_for_step,
        steps::messages::list_messages_for_step,
        steps::trace::retrieve_trace_for_step,
        telemetry::retrieve_provider_trace,
        chat::completions::create_chat_completion,
        chat::voice::create_voice_chat_completions,
        messages::list::list_all_messages,
        messages::retrieve::retrieve_message,
        messages::search::search_all_messages,
        internal::agents::count_internal_agents,
        internal::agents::modify_internal_core_memory_block,
        internal::blocks::list_internal_blocks,
        internal::blocks::create_internal_block,
        internal::blocks::delete_internal_block,
        internal::blocks::list_agents_for_internal_block,
        internal::runs::list_internal_runs,
        internal::templates::create_internal_template_group,
        internal::templates::create_internal_template_agent,
        internal::templates::create_internal_template_block,
        internal::templates::create_internal_template_blocks_batch,
        internal::templates::list_deployment_entities,
        internal::templates::delete_deployment,
    )
)]
pub(crate) struct Documented;
