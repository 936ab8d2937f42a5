//! The tables, as both databases have them.
//!
//! Written by hand from the migrations: only column types that SQLite and PostgreSQL share appear here. What one
//! of them has alone (the full-text index of messages) is reached through the code for that database.

diesel::table! {
    organizations (id) {
        id -> Text,
        name -> Text,
        privileged_tools -> Bool,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        organization_id -> Text,
        name -> Text,
        timezone -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    agents (id) {
        id -> Text,
        organization_id -> Text,
        agent_type -> Text,
        name -> Text,
        description -> Nullable<Text>,
        system -> Text,
        message_ids -> Json,
        metadata -> Nullable<Json>,
        llm_config -> Json,
        embedding_config -> Nullable<Json>,
        compaction_settings -> Nullable<Json>,
        response_format -> Nullable<Json>,
        tool_rules -> Json,
        project_id -> Nullable<Text>,
        template_id -> Nullable<Text>,
        base_template_id -> Nullable<Text>,
        deployment_id -> Nullable<Text>,
        entity_id -> Nullable<Text>,
        message_buffer_autoclear -> Bool,
        enable_sleeptime -> Nullable<Bool>,
        last_run_completion -> Nullable<Timestamp>,
        last_run_duration_ms -> Nullable<BigInt>,
        last_stop_reason -> Nullable<Text>,
        timezone -> Nullable<Text>,
        max_files_open -> Nullable<BigInt>,
        per_file_view_window_char_limit -> Nullable<BigInt>,
        hidden -> Nullable<Bool>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    agents_tags (agent_id, tag) {
        agent_id -> Text,
        tag -> Text,
        organization_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    blocks (id) {
        id -> Text,
        organization_id -> Text,
        label -> Text,
        value -> Text,
        char_limit -> BigInt,
        description -> Nullable<Text>,
        read_only -> Bool,
        metadata -> Nullable<Json>,
        is_template -> Bool,
        template_name -> Nullable<Text>,
        template_id -> Nullable<Text>,
        base_template_id -> Nullable<Text>,
        deployment_id -> Nullable<Text>,
        entity_id -> Nullable<Text>,
        preserve_on_migration -> Nullable<Bool>,
        project_id -> Nullable<Text>,
        hidden -> Nullable<Bool>,
        version -> Integer,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    blocks_tags (block_id, tag) {
        block_id -> Text,
        tag -> Text,
        organization_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    blocks_agents (agent_id, block_id) {
        agent_id -> Text,
        block_id -> Text,
        label -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    tools (id) {
        id -> Text,
        organization_id -> Text,
        tool_type -> Text,
        name -> Text,
        description -> Nullable<Text>,
        source_type -> Nullable<Text>,
        source_code -> Nullable<Text>,
        json_schema -> Nullable<Json>,
        args_json_schema -> Nullable<Json>,
        return_char_limit -> BigInt,
        pip_requirements -> Nullable<Json>,
        npm_requirements -> Nullable<Json>,
        tags -> Json,
        default_requires_approval -> Nullable<Bool>,
        enable_parallel_execution -> Nullable<Bool>,
        metadata -> Nullable<Json>,
        project_id -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    tools_agents (agent_id, tool_id) {
        agent_id -> Text,
        tool_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    agent_environment_variables (id) {
        id -> Text,
        organization_id -> Text,
        agent_id -> Text,
        key -> Text,
        value_enc -> Text,
        description -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    runs (id) {
        id -> Text,
        organization_id -> Text,
        agent_id -> Text,
        conversation_id -> Nullable<Text>,
        project_id -> Nullable<Text>,
        template_id -> Nullable<Text>,
        base_template_id -> Nullable<Text>,
        status -> Text,
        background -> Nullable<Bool>,
        metadata -> Nullable<Json>,
        request_config -> Nullable<Json>,
        stop_reason -> Nullable<Text>,
        callback_url -> Nullable<Text>,
        callback_sent_at -> Nullable<Timestamp>,
        callback_status_code -> Nullable<Integer>,
        callback_error -> Nullable<Text>,
        callback_attempts -> Integer,
        callback_due_at -> Nullable<Timestamp>,
        ttft_ns -> Nullable<BigInt>,
        total_duration_ns -> Nullable<BigInt>,
        run_start_ns -> Nullable<BigInt>,
        num_steps -> Integer,
        tools_used -> Nullable<Json>,
        history_key -> Text,
        pending_input -> Nullable<Json>,
        accepted -> Bool,
        request -> Nullable<Json>,
        progress -> Nullable<Json>,
        draft -> Nullable<Json>,
        resumes -> Integer,
        node_id -> Nullable<Text>,
        lease_until -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        completed_at -> Nullable<Timestamp>,
        created_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    run_frames (run_id, seq) {
        run_id -> Text,
        seq -> BigInt,
        record -> Text,
        terminal -> Bool,
        created_at -> Timestamp,
    }
}

diesel::table! {
    run_otids (organization_id, history_key, token) {
        organization_id -> Text,
        history_key -> Text,
        token -> Text,
        run_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    jobs (id) {
        id -> Text,
        organization_id -> Text,
        user_id -> Text,
        job_type -> Text,
        status -> Text,
        stop_reason -> Nullable<Text>,
        metadata -> Nullable<Json>,
        source_id -> Nullable<Text>,
        background -> Nullable<Bool>,
        agent_id -> Nullable<Text>,
        callback_url -> Nullable<Text>,
        callback_sent_at -> Nullable<Timestamp>,
        callback_status_code -> Nullable<Integer>,
        callback_error -> Nullable<Text>,
        ttft_ns -> Nullable<BigInt>,
        total_duration_ns -> Nullable<BigInt>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        completed_at -> Nullable<Timestamp>,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    steps (id) {
        id -> Text,
        organization_id -> Text,
        agent_id -> Nullable<Text>,
        run_id -> Nullable<Text>,
        project_id -> Nullable<Text>,
        template_id -> Nullable<Text>,
        base_template_id -> Nullable<Text>,
        origin -> Nullable<Text>,
        provider_id -> Nullable<Text>,
        provider_name -> Nullable<Text>,
        provider_category -> Nullable<Text>,
        model -> Nullable<Text>,
        model_handle -> Nullable<Text>,
        model_endpoint -> Nullable<Text>,
        context_window_limit -> Nullable<BigInt>,
        completion_tokens -> BigInt,
        prompt_tokens -> BigInt,
        total_tokens -> BigInt,
        cached_input_tokens -> Nullable<BigInt>,
        cache_write_tokens -> Nullable<BigInt>,
        reasoning_tokens -> Nullable<BigInt>,
        completion_tokens_details -> Nullable<Json>,
        prompt_tokens_details -> Nullable<Json>,
        stop_reason -> Nullable<Text>,
        tags -> Json,
        tid -> Nullable<Text>,
        trace_id -> Nullable<Text>,
        request_id -> Nullable<Text>,
        feedback -> Nullable<Text>,
        error_type -> Nullable<Text>,
        error_data -> Nullable<Json>,
        status -> Text,
        step_start_ns -> Nullable<BigInt>,
        llm_request_start_ns -> Nullable<BigInt>,
        llm_request_ns -> Nullable<BigInt>,
        tool_execution_ns -> Nullable<BigInt>,
        step_ns -> Nullable<BigInt>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    messages (sequence_id) {
        sequence_id -> BigInt,
        id -> Text,
        organization_id -> Text,
        agent_id -> Text,
        conversation_id -> Nullable<Text>,
        role -> Text,
        content -> Nullable<Json>,
        name -> Nullable<Text>,
        model -> Nullable<Text>,
        tool_calls -> Nullable<Json>,
        tool_call_id -> Nullable<Text>,
        tool_returns -> Nullable<Json>,
        approvals -> Nullable<Json>,
        approve -> Nullable<Bool>,
        approval_request_id -> Nullable<Text>,
        denial_reason -> Nullable<Text>,
        otid -> Nullable<Text>,
        sender_id -> Nullable<Text>,
        group_id -> Nullable<Text>,
        batch_item_id -> Nullable<Text>,
        step_id -> Nullable<Text>,
        run_id -> Nullable<Text>,
        is_err -> Nullable<Bool>,
        search_text -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    history_leases (key) {
        key -> Text,
        run_id -> Text,
        node_id -> Text,
        lease_until -> Timestamp,
    }
}

diesel::table! {
    archives (id) {
        id -> Text,
        organization_id -> Text,
        name -> Text,
        description -> Nullable<Text>,
        embedding_config -> Nullable<Json>,
        metadata -> Nullable<Json>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    archives_agents (agent_id) {
        agent_id -> Text,
        archive_id -> Text,
        is_owner -> Bool,
        created_at -> Timestamp,
    }
}

diesel::table! {
    passages (sequence_id) {
        sequence_id -> BigInt,
        id -> Text,
        organization_id -> Text,
        archive_id -> Text,
        text -> Text,
        metadata -> Nullable<Json>,
        tags -> Nullable<Json>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    passages_tags (passage_id, tag) {
        passage_id -> Text,
        tag -> Text,
        archive_id -> Text,
    }
}

diesel::table! {
    sources (id) {
        id -> Text,
        organization_id -> Text,
        name -> Text,
        description -> Nullable<Text>,
        instructions -> Nullable<Text>,
        metadata -> Nullable<Json>,
        embedding_config -> Json,
        vector_db_provider -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    sources_agents (agent_id, source_id) {
        agent_id -> Text,
        source_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    files (id) {
        id -> Text,
        organization_id -> Text,
        source_id -> Text,
        file_name -> Nullable<Text>,
        original_file_name -> Nullable<Text>,
        file_path -> Nullable<Text>,
        file_type -> Nullable<Text>,
        file_size -> Nullable<BigInt>,
        file_creation_date -> Nullable<Text>,
        file_last_modified_date -> Nullable<Text>,
        processing_status -> Text,
        error_message -> Nullable<Text>,
        total_chunks -> Nullable<BigInt>,
        chunks_embedded -> Nullable<BigInt>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    file_contents (file_id) {
        file_id -> Text,
        text -> Text,
    }
}

diesel::table! {
    files_agents (id) {
        id -> Text,
        agent_id -> Text,
        file_id -> Text,
        source_id -> Text,
        file_name -> Text,
        is_open -> Bool,
        visible_content -> Nullable<Text>,
        last_accessed_at -> Timestamp,
        start_line -> Nullable<BigInt>,
        end_line -> Nullable<BigInt>,
        created_at -> Timestamp,
    }
}

diesel::table! {
    identities (id) {
        id -> Text,
        organization_id -> Text,
        identifier_key -> Text,
        name -> Text,
        identity_type -> Text,
        project_id -> Nullable<Text>,
        properties -> Json,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    identities_agents (identity_id, agent_id) {
        identity_id -> Text,
        agent_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    identities_blocks (identity_id, block_id) {
        identity_id -> Text,
        block_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    groups (id) {
        id -> Text,
        organization_id -> Text,
        manager_type -> Text,
        description -> Text,
        project_id -> Nullable<Text>,
        template_id -> Nullable<Text>,
        base_template_id -> Nullable<Text>,
        deployment_id -> Nullable<Text>,
        manager_agent_id -> Nullable<Text>,
        termination_token -> Nullable<Text>,
        max_turns -> Nullable<BigInt>,
        sleeptime_agent_frequency -> Nullable<BigInt>,
        turns_counter -> Nullable<BigInt>,
        last_processed_message_id -> Nullable<Text>,
        max_message_buffer_length -> Nullable<BigInt>,
        min_message_buffer_length -> Nullable<BigInt>,
        hidden -> Nullable<Bool>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    groups_agents (group_id, agent_id) {
        group_id -> Text,
        agent_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    groups_blocks (group_id, block_id) {
        group_id -> Text,
        block_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    conversations (id) {
        id -> Text,
        organization_id -> Text,
        agent_id -> Text,
        summary -> Nullable<Text>,
        description -> Nullable<Text>,
        hidden -> Bool,
        archived_at -> Nullable<Timestamp>,
        model -> Nullable<Text>,
        model_settings -> Nullable<Json>,
        context_window_limit -> Nullable<BigInt>,
        last_message_at -> Nullable<Timestamp>,
        last_run_completion -> Nullable<Timestamp>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        created_by_id -> Nullable<Text>,
        last_updated_by_id -> Nullable<Text>,
    }
}

diesel::table! {
    conversation_messages (conversation_id, message_id) {
        conversation_id -> Text,
        message_id -> Text,
        position -> BigInt,
        context_position -> Nullable<BigInt>,
    }
}

diesel::table! {
    conversations_blocks (conversation_id, block_id) {
        conversation_id -> Text,
        block_id -> Text,
        created_at -> Timestamp,
    }
}

diesel::table! {
    provider_traces (id) {
        id -> Text,
        organization_id -> Text,
        agent_id -> Nullable<Text>,
        step_id -> Nullable<Text>,
        run_id -> Nullable<Text>,
        call_type -> Text,
        source -> Nullable<Text>,
        request_json -> Json,
        response_json -> Json,
        agent_tags -> Nullable<Json>,
        compaction_settings -> Nullable<Json>,
        llm_config -> Nullable<Json>,
        created_at -> Timestamp,
        created_by_id -> Nullable<Text>,
    }
}

diesel::joinable!(agents_tags -> agents (agent_id));
diesel::joinable!(blocks_tags -> blocks (block_id));
diesel::joinable!(blocks_agents -> agents (agent_id));
diesel::joinable!(blocks_agents -> blocks (block_id));
diesel::joinable!(tools_agents -> agents (agent_id));
diesel::joinable!(tools_agents -> tools (tool_id));
diesel::joinable!(agent_environment_variables -> agents (agent_id));
diesel::joinable!(runs -> agents (agent_id));
diesel::joinable!(run_frames -> runs (run_id));
diesel::joinable!(run_otids -> runs (run_id));
diesel::joinable!(steps -> agents (agent_id));
diesel::joinable!(steps -> runs (run_id));
diesel::joinable!(messages -> agents (agent_id));
diesel::joinable!(messages -> steps (step_id));
diesel::joinable!(messages -> runs (run_id));
diesel::joinable!(archives_agents -> agents (agent_id));
diesel::joinable!(archives_agents -> archives (archive_id));
diesel::joinable!(passages -> archives (archive_id));
diesel::joinable!(sources_agents -> agents (agent_id));
diesel::joinable!(sources_agents -> sources (source_id));
diesel::joinable!(files -> sources (source_id));
diesel::joinable!(files_agents -> sources (source_id));
diesel::joinable!(identities_agents -> agents (agent_id));
diesel::joinable!(identities_agents -> identities (identity_id));
diesel::joinable!(identities_blocks -> blocks (block_id));
diesel::joinable!(identities_blocks -> identities (identity_id));
diesel::joinable!(groups_agents -> groups (group_id));
diesel::joinable!(conversations -> agents (agent_id));
diesel::joinable!(conversation_messages -> conversations (conversation_id));
diesel::joinable!(conversations_blocks -> conversations (conversation_id));
diesel::joinable!(conversations_blocks -> blocks (block_id));

diesel::allow_tables_to_appear_in_same_query!(
    agent_environment_variables,
    agents,
    agents_tags,
    archives,
    archives_agents,
    blocks,
    blocks_agents,
    blocks_tags,
    conversation_messages,
    conversations,
    conversations_blocks,
    file_contents,
    files,
    files_agents,
    groups,
    groups_agents,
    groups_blocks,
    history_leases,
    identities,
    identities_agents,
    identities_blocks,
    messages,
    organizations,
    passages,
    passages_tags,
    run_frames,
    run_otids,
    runs,
    sources,
    sources_agents,
    steps,
    tools,
    tools_agents,
    users,
);
