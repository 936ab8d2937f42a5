//! The wire types against the contract: the schemas of the API, kept as test data.
//!
//! Every schema in [`TABLE`] is turned into JSON in all its forms, read as our type and written again. Nothing
//! that was given may be lost or changed, answers must have every declared property, requests must refuse values
//! and members that the contract does not know, and the OpenAPI document must describe the same properties.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "contract/samples.rs"]
mod samples;

use std::collections::BTreeSet;

use muisti_schema as schema;
use samples::Contract;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::ToSchema;

/// A schema of the contract with the type that stands for it.
struct Row {
    name: &'static str,
    is_request: bool,
    round_trip: fn(&Value) -> Result<Value, serde_json::Error>,
    component: fn() -> (String, Value),
}

const fn row<T: Serialize + DeserializeOwned + ToSchema>(name: &'static str, is_request: bool) -> Row {
    Row {
        name,
        is_request,
        round_trip: |json| serde_json::to_value(serde_json::from_str::<T>(&json.to_string())?),
        component: || (T::name().into_owned(), serde_json::to_value(T::schema()).unwrap()),
    }
}

/// What the server answers, and what is part of both answers and requests.
const fn answer<T: Serialize + DeserializeOwned + ToSchema>(name: &'static str) -> Row {
    row::<T>(name, false)
}

/// What the server is sent.
const fn request<T: Serialize + DeserializeOwned + ToSchema>(name: &'static str) -> Row {
    row::<T>(name, true)
}

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // Enums
    answer::<schema::AgentType>("AgentType"),
    answer::<schema::StopReason>("StopReasonType"),
    answer::<schema::ToolType>("ToolType"),
    answer::<schema::ProviderType>("ProviderType"),
    answer::<schema::ProviderCategory>("ProviderCategory"),
    answer::<schema::ManagerType>("ManagerType"),
    answer::<schema::IdentityType>("IdentityType"),
    answer::<schema::IdentityPropertyType>("IdentityPropertyType"),
    answer::<schema::VectorDbProvider>("VectorDBProvider"),
    answer::<schema::MessageRole>("MessageRole"),
    answer::<schema::RunStatus>("RunStatus"),
    answer::<schema::StepStatus>("StepStatus"),
    answer::<schema::JobStatus>("JobStatus"),
    answer::<schema::JobType>("JobType"),
    answer::<schema::FeedbackType>("FeedbackType"),
    answer::<schema::DuplicateFileHandling>("DuplicateFileHandling"),
    answer::<schema::FileProcessingStatus>("FileProcessingStatus"),

    // Models and their settings
    answer::<schema::LlmConfig>("LLMConfig"),
    answer::<schema::EmbeddingConfig>("EmbeddingConfig"),
    answer::<schema::TextResponseFormat>("TextResponseFormat"),
    answer::<schema::JsonSchemaResponseFormat>("JsonSchemaResponseFormat"),
    answer::<schema::JsonObjectResponseFormat>("JsonObjectResponseFormat"),
    request::<schema::OpenAiModelSettings>("OpenAIModelSettings"),
    request::<schema::SglangModelSettings>("SGLangModelSettings"),
    request::<schema::AnthropicModelSettings>("AnthropicModelSettings"),
    request::<schema::GoogleAiModelSettings>("GoogleAIModelSettings"),
    request::<schema::GoogleVertexModelSettings>("GoogleVertexModelSettings"),
    request::<schema::AzureModelSettings>("AzureModelSettings"),
    request::<schema::XaiModelSettings>("XAIModelSettings"),
    request::<schema::ZaiModelSettings>("ZAIModelSettings"),
    request::<schema::GroqModelSettings>("GroqModelSettings"),
    request::<schema::DeepseekModelSettings>("DeepseekModelSettings"),
    request::<schema::TogetherModelSettings>("TogetherModelSettings"),
    request::<schema::BedrockModelSettings>("BedrockModelSettings"),
    request::<schema::BasetenModelSettings>("BasetenModelSettings"),
    request::<schema::OpenRouterModelSettings>("OpenRouterModelSettings"),
    request::<schema::ChatGptOauthModelSettings>("ChatGPTOAuthModelSettings"),
    request::<schema::OpenAiReasoning>("OpenAIReasoning"),
    request::<schema::ChatGptOauthReasoning>("ChatGPTOAuthReasoning"),
    request::<schema::AnthropicThinking>("AnthropicThinking"),
    request::<schema::GeminiThinkingConfig>("GeminiThinkingConfig"),
    request::<schema::ZaiThinking>("ZAIThinking"),
    answer::<schema::CompactionSettings>("CompactionSettings-Output"),
    request::<schema::CompactionSettingsInput>("CompactionSettings-Input"),
    answer::<schema::CompactionStats>("CompactionStats"),
    answer::<schema::CompactionResponse>("CompactionResponse"),
    answer::<schema::Model>("Model"),
    answer::<schema::EmbeddingModel>("EmbeddingModel"),
    answer::<schema::Provider>("Provider"),
    request::<schema::ProviderCreate>("ProviderCreate"),
    request::<schema::ProviderUpdate>("ProviderUpdate"),
    request::<schema::ProviderCheck>("ProviderCheck"),

    // Agents and what they are made of
    answer::<schema::InitToolRule>("InitToolRule"),
    answer::<schema::ContinueToolRule>("ContinueToolRule"),
    answer::<schema::ChildToolRule>("ChildToolRule"),
    answer::<schema::ConditionalToolRule>("ConditionalToolRule"),
    answer::<schema::MaxCountPerStepToolRule>("MaxCountPerStepToolRule"),
    answer::<schema::ParentToolRule>("ParentToolRule"),
    answer::<schema::TerminalToolRule>("TerminalToolRule"),
    answer::<schema::RequiredBeforeExitToolRule>("RequiredBeforeExitToolRule"),
    answer::<schema::RequiresApprovalToolRule>("RequiresApprovalToolRule"),
    answer::<schema::ToolCallNode>("ToolCallNode"),
    answer::<schema::Block>("Block"),
    answer::<schema::BlockResponse>("BlockResponse"),
    answer::<schema::FileBlock>("FileBlock"),
    request::<schema::CreateBlock>("CreateBlock"),
    request::<schema::BlockUpdate>("BlockUpdate"),
    answer::<schema::Tool>("Tool"),
    request::<schema::ToolCreate>("ToolCreate"),
    request::<schema::ToolUpdate>("ToolUpdate"),
    answer::<schema::PipRequirement>("PipRequirement"),
    answer::<schema::NpmRequirement>("NpmRequirement"),
    request::<schema::ToolRunFromSource>("ToolRunFromSource"),
    request::<schema::ToolExecuteRequest>("letta__server__rest_api__routers__v1__tools__ToolExecuteRequest"),
    answer::<schema::ToolExecutionResult>("ToolExecutionResult"),
    request::<schema::ToolSearchRequest>("ToolSearchRequest"),
    answer::<schema::ToolSearchResult>("ToolSearchResult"),
    answer::<schema::Source>("Source"),
    answer::<schema::Folder>("Folder"),
    request::<schema::SourceCreate>("SourceCreate"),
    request::<schema::SourceUpdate>("SourceUpdate"),
    answer::<schema::FileMetadata>("FileMetadata"),
    answer::<schema::FileStats>("FileStats"),
    answer::<schema::SourceStats>("SourceStats"),
    answer::<schema::OrganizationSourcesStats>("OrganizationSourcesStats"),
    answer::<schema::Identity>("Identity"),
    answer::<schema::IdentityProperty>("IdentityProperty"),
    request::<schema::IdentityCreate>("IdentityCreate"),
    request::<schema::IdentityUpsert>("IdentityUpsert"),
    request::<schema::IdentityUpdate>("IdentityUpdate"),
    answer::<schema::Group>("Group"),
    request::<schema::GroupCreate>("GroupCreate"),
    request::<schema::GroupUpdate>("GroupUpdate"),
    request::<schema::RoundRobinManager>("RoundRobinManager"),
    request::<schema::SupervisorManager>("SupervisorManager"),
    request::<schema::DynamicManager>("DynamicManager"),
    request::<schema::SleeptimeManager>("SleeptimeManager"),
    request::<schema::VoiceSleeptimeManager>("VoiceSleeptimeManager"),
    request::<schema::RoundRobinManagerUpdate>("RoundRobinManagerUpdate"),
    request::<schema::SupervisorManagerUpdate>("SupervisorManagerUpdate"),
    request::<schema::DynamicManagerUpdate>("DynamicManagerUpdate"),
    request::<schema::SleeptimeManagerUpdate>("SleeptimeManagerUpdate"),
    request::<schema::VoiceSleeptimeManagerUpdate>("VoiceSleeptimeManagerUpdate"),
    answer::<schema::Memory>("Memory"),
    answer::<schema::AgentEnvironmentVariable>("AgentEnvironmentVariable"),
    answer::<schema::AgentState>("AgentState"),
    request::<schema::CreateAgent>("CreateAgentRequest"),
    request::<schema::InternalTemplateAgentCreate>("InternalTemplateAgentCreate"),
    request::<schema::InternalTemplateBlockCreate>("InternalTemplateBlockCreate"),
    request::<schema::InternalTemplateGroupCreate>("InternalTemplateGroupCreate"),
    answer::<schema::DeploymentEntity>("DeploymentEntity"),
    answer::<schema::ListDeploymentEntitiesResponse>("ListDeploymentEntitiesResponse"),
    answer::<schema::DeleteDeploymentResponse>("DeleteDeploymentResponse"),
    request::<schema::UpdateAgent>("UpdateAgent"),
    answer::<schema::ImportedAgentsResponse>("ImportedAgentsResponse"),
    answer::<schema::AgentFileAttachment>("AgentFileAttachment"),
    answer::<schema::PaginatedAgentFiles>("PaginatedAgentFiles"),
    answer::<schema::Archive>("Archive"),
    request::<schema::ArchiveCreateRequest>("ArchiveCreateRequest"),
    request::<schema::ArchiveUpdateRequest>("ArchiveUpdateRequest"),
    answer::<schema::Passage>("Passage"),
    request::<schema::PassageCreateRequest>("PassageCreateRequest"),
    request::<schema::PassageBatchCreateRequest>("PassageBatchCreateRequest"),
    request::<schema::PassageSearchRequest>("PassageSearchRequest"),
    answer::<schema::PassageSearchResult>("PassageSearchResult"),
    request::<schema::CreateArchivalMemory>("CreateArchivalMemory"),
    answer::<schema::ArchivalMemorySearchResponse>("ArchivalMemorySearchResponse"),
    answer::<schema::ArchivalMemorySearchResult>("ArchivalMemorySearchResult"),

    // Agent files
    answer::<schema::AgentFile>("AgentFileSchema"),
    answer::<schema::ExportedAgent>("letta__schemas__agent_file__AgentSchema"),
    answer::<schema::ExportedMessage>("letta__schemas__agent_file__MessageSchema"),
    answer::<schema::ExportedTool>("letta__schemas__agent_file__ToolSchema"),
    answer::<schema::ExportedBlock>("BlockSchema"),
    answer::<schema::ExportedGroup>("GroupSchema"),
    answer::<schema::ExportedSupervisorManager>("SupervisorManagerSchema"),
    answer::<schema::ExportedDynamicManager>("DynamicManagerSchema"),
    answer::<schema::ExportedSleeptimeManager>("SleeptimeManagerSchema"),
    answer::<schema::ExportedVoiceSleeptimeManager>("VoiceSleeptimeManagerSchema"),
    answer::<schema::ExportedSource>("SourceSchema"),
    answer::<schema::ExportedFile>("FileSchema"),
    answer::<schema::ExportedFileAgent>("FileAgentSchema"),
    answer::<schema::ExportedMcpServer>("MCPServerSchema"),
    answer::<schema::Skill>("SkillSchema"),
    request::<schema::ExportAgentRequest>("ExportAgentRequest"),

    // Messages, runs, steps
    answer::<schema::SendResponse>("LettaResponse"),
    answer::<schema::StreamEvent>("LettaStreamingResponse"),
    answer::<schema::WireMessage>("LettaMessageUnion"),
    answer::<schema::ContentPart>("LettaMessageContentUnion"),
    answer::<schema::UserPart>("LettaUserMessageContentUnion"),
    answer::<schema::ToolReturnPart>("LettaToolReturnContentUnion"),
    answer::<schema::AssistantPart>("LettaAssistantMessageContentUnion"),
    answer::<schema::SystemMessage>("SystemMessage"),
    answer::<schema::UserMessage>("UserMessage"),
    answer::<schema::ReasoningMessage>("ReasoningMessage"),
    answer::<schema::HiddenReasoningMessage>("HiddenReasoningMessage"),
    answer::<schema::AssistantMessage>("AssistantMessage"),
    answer::<schema::ToolCallMessage>("ToolCallMessage"),
    answer::<schema::ToolReturnMessage>("ToolReturnMessage"),
    answer::<schema::ApprovalRequestMessage>("ApprovalRequestMessage"),
    answer::<schema::ApprovalResponseMessage>("ApprovalResponseMessage"),
    answer::<schema::SummaryMessage>("SummaryMessage"),
    answer::<schema::EventMessage>("EventMessage"),
    answer::<schema::Ping>("LettaPing"),
    answer::<schema::ErrorMessage>("LettaErrorMessage"),
    answer::<schema::StopReasonEvent>("LettaStopReason"),
    answer::<schema::UsageStatistics>("LettaUsageStatistics"),
    answer::<schema::TurnTokenData>("TurnTokenData"),
    answer::<schema::ChoiceLogprobs>("letta__schemas__openai__chat_completion_response__ChoiceLogprobs"),
    answer::<schema::StoredMessage>("Message"),
    answer::<schema::StoredToolReturn>("letta__schemas__message__ToolReturn-Output"),
    answer::<schema::ToolReturn>("letta__schemas__letta_message__ToolReturn"),
    answer::<schema::ApprovalReturn>("ApprovalReturn"),
    answer::<schema::FunctionToolCall>("ChatCompletionMessageFunctionToolCall-Output"),
    request::<schema::MessageCreate>("MessageCreate"),
    request::<schema::ApprovalCreate>("ApprovalCreate"),
    request::<schema::ToolReturnCreate>("ToolReturnCreate"),
    request::<schema::SendRequest>("LettaRequest"),
    request::<schema::StreamingSendRequest>("LettaStreamingRequest"),
    request::<schema::AsyncSendRequest>("LettaAsyncRequest"),
    request::<schema::ConversationSendRequest>("ConversationMessageRequest"),
    request::<schema::BatchSendRequest>("LettaBatchRequest"),
    request::<schema::CreateBatch>("CreateBatch"),
    answer::<schema::BatchMessages>("LettaBatchMessages"),
    answer::<schema::BatchJob>("BatchJob"),
    answer::<schema::Job>("Job"),
    answer::<schema::Run>("Run"),
    answer::<schema::RunRequestConfig>("LettaRequestConfig"),
    answer::<schema::RunMetrics>("RunMetrics"),
    answer::<schema::RunUsage>("UsageStatistics"),
    answer::<schema::Step>("Step"),
    answer::<schema::StepMetrics>("StepMetrics"),
    request::<schema::ModifyFeedbackRequest>("ModifyFeedbackRequest"),
    answer::<schema::Conversation>("Conversation"),
    request::<schema::CreateConversation>("CreateConversation"),
    request::<schema::UpdateConversation>("UpdateConversation"),
    answer::<schema::Health>("Health"),
    answer::<schema::ProviderTrace>("ProviderTrace"),
    answer::<schema::BillingContext>("BillingContext"),
    request::<schema::MessageSearchRequest>("MessageSearchRequest"),
    answer::<schema::MessageSearchResult>("MessageSearchResult"),
    request::<schema::SearchAllMessagesRequest>("SearchAllMessagesRequest"),
    answer::<schema::FoundSystemMessage>("SystemMessageListResult"),
    answer::<schema::FoundUserMessage>("UserMessageListResult"),
    answer::<schema::FoundReasoningMessage>("ReasoningMessageListResult"),
    answer::<schema::FoundAssistantMessage>("AssistantMessageListResult"),
    request::<schema::CancelAgentRunRequest>("CancelAgentRunRequest"),
    request::<schema::ResetMessagesRequest>("ResetMessagesRequest"),
    request::<schema::RetrieveStreamRequest>("RetrieveStreamRequest"),
    request::<schema::GenerateRequest>("GenerateRequest"),
    answer::<schema::GenerateResponse>("GenerateResponse"),
    answer::<schema::ContextWindowOverview>("ContextWindowOverview"),
    answer::<schema::FunctionTool>("FunctionTool"),
    answer::<schema::FunctionDefinition>("FunctionDefinition"),
    request::<schema::CompactionRequest>("letta__server__rest_api__routers__v1__agents__CompactionRequest"),
    request::<schema::ConversationCompactionRequest>("letta__server__rest_api__routers__v1__conversations__CompactionRequest"),
    request::<schema::ModifyApprovalRequest>("ModifyApprovalRequest"),
    answer::<schema::TextContent>("TextContent"),
    answer::<schema::ImageContent>("ImageContent"),
    answer::<schema::StoredImage>("LettaImage"),
    answer::<schema::Base64Image>("Base64Image"),
    answer::<schema::UrlImage>("UrlImage"),
    answer::<schema::ToolCallContent>("ToolCallContent"),
    answer::<schema::ToolReturnContent>("ToolReturnContent"),
    answer::<schema::ReasoningContent>("ReasoningContent"),
    answer::<schema::RedactedReasoningContent>("RedactedReasoningContent"),
    answer::<schema::OmittedReasoningContent>("OmittedReasoningContent"),
    answer::<schema::SummarizedReasoningContent>("SummarizedReasoningContent"),
    answer::<schema::ToolCall>("ToolCall"),
    answer::<schema::ToolCallDelta>("ToolCallDelta"),
    request::<schema::ClientTool>("ClientToolSchema"),
    request::<schema::ClientSkill>("ClientSkillSchema"),
    answer::<schema::MessageType>("MessageType"),
    answer::<schema::FunctionCall>("Function-Output"),
    answer::<schema::SummarizedReasoningContentPart>("SummarizedReasoningContentPart"),
    answer::<schema::TokenLogprob>("letta__schemas__openai__chat_completion_response__ChatCompletionTokenLogprob"),
    answer::<schema::TopLogprob>("letta__schemas__openai__chat_completion_response__TopLogprob"),
    answer::<schema::PromptTokenDetails>("UsageStatisticsPromptTokenDetails"),
    answer::<schema::CompletionTokenDetails>("UsageStatisticsCompletionTokenDetails"),
];

#[test]
fn every_form_of_every_schema_is_read_and_written_again() {
    let contract = Contract::load();
    check(|row, report| {
        for (title, sample) in contract.samples(row.name) {
            match (row.round_trip)(&sample) {
                Ok(written) => lost(&title, "", &sample, &written, report),
                Err(error) => report.push(format!("{title}: {error}")),
            }
        }
    });
}

#[test]
fn answers_have_every_declared_property() {
    let contract = Contract::load();
    check(|row, report| {
        if row.is_request || contract.properties(row.name).is_empty() {
            return;
        }
        let Ok(written) = (row.round_trip)(&contract.minimal(row.name, 0)) else { return };
        for property in contract.properties(row.name) {
            if written.get(property).is_none() {
                report.push(format!("{}: {property} is not written", row.name));
            }
        }
    });
}

#[test]
fn requests_refuse_unknown_values_and_only_strict_ones_unknown_members() {
    let contract = Contract::load();
    check(|row, report| {
        if !row.is_request {
            return;
        }
        let full = contract.full(row.name, 0);
        for property in contract.enum_properties(row.name) {
            let mut sample = full.clone();
            sample[property] = "no such value".into();
            if (row.round_trip)(&sample).is_ok() {
                report.push(format!("{}: {property} takes an unknown value", row.name));
            }
        }
        let mut sample = full;
        sample["no_such_member"] = 1.into();
        let strict = contract.schema(row.name).get("additionalProperties") == Some(&Value::Bool(false));
        if (row.round_trip)(&sample).is_err() != strict {
            let verb = if strict { "takes" } else { "refuses" };
            report.push(format!("{} {verb} an unknown member", row.name));
        }
    });
}

/// What components have beside what the contract says: what the official clients know by now, and the past messages
/// that a conversation can begin with.
const ADDED: &[(&str, &[&str])] = &[
    ("Conversation", &["archived", "archived_at", "context_window_limit", "description"]),
    ("CreateConversation", &["context_window_limit", "description", "hidden", "messages"]),
    ("UpdateConversation", &["archived", "context_window_limit", "description"]),
];

#[test]
fn the_document_has_the_components_of_the_contract() {
    let contract = Contract::load();
    check(|row, report| {
        let (name, component) = (row.component)();
        // Names with these characters are those of the reference's modules, not of the API.
        if !row.name.contains("__") && !row.name.contains('-') && name != row.name {
            report.push(format!("{} is called {name}", row.name));
        }
        let declared: BTreeSet<&str> = contract.properties(row.name).into_iter().collect();
        let (documented, required) = members(&component);
        let added = ADDED.iter().filter(|(component, _)| *component == row.name).flat_map(|(_, members)| *members);
        let declared: BTreeSet<&str> = declared.into_iter().chain(added.copied()).collect();
        let documented: BTreeSet<&str> = documented.iter().map(String::as_str).collect();
        // Members that are flattened in are behind a reference.
        let flat = component.get("allOf").is_none();
        if flat && declared != documented {
            let missing: Vec<_> = declared.difference(&documented).collect();
            let extra: Vec<_> = documented.difference(&declared).collect();
            report.push(format!("{}: the document lacks {missing:?} and adds {extra:?}", row.name));
        }
        let must: BTreeSet<&str> = contract.required(row.name).into_iter().collect();
        for property in required.iter().filter(|property| flat && row.is_request && !must.contains(property.as_str())) {
            if contract.schema(row.name)["properties"][property].get("const").is_none() {
                report.push(format!("{}: the document requires {property}", row.name));
            }
        }
        for property in must.iter().filter(|property| flat && !required.iter().any(|member| member == **property)) {
            report.push(format!("{}: the document does not require {property}", row.name));
        }
    });
}

/// Runs a check on every row and fails with all that it reports.
fn check(check: impl Fn(&Row, &mut Vec<String>)) {
    let mut report = Vec::new();
    for row in TABLE {
        check(row, &mut report);
    }
    assert!(report.is_empty(), "{} differences:\n{}", report.len(), report.join("\n"));
}

/// The properties of an object's schema, and those of them that are required.
fn members(schema: &Value) -> (Vec<String>, Vec<String>) {
    let properties = schema["properties"].as_object().into_iter().flatten().map(|(property, _)| property.clone());
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    (properties.collect(), required.collect())
}

/// Reports what is in `given` but not in `written`, or differs. Null may become an empty value.
fn lost(title: &str, path: &str, given: &Value, written: &Value, report: &mut Vec<String>) {
    match (given, written) {
        (Value::Object(given), Value::Object(written)) => {
            for (key, value) in given {
                let path = format!("{path}/{key}");
                match written.get(key) {
                    Some(member) => lost(title, &path, value, member, report),
                    None => report.push(format!("{title}: {path} is lost")),
                }
            }
        }
        (Value::Array(given), Value::Array(written)) if given.len() == written.len() => {
            for (index, (given, written)) in given.iter().zip(written).enumerate() {
                lost(title, &format!("{path}/{index}"), given, written, report);
            }
        }
        (Value::Null, Value::Bool(false)) => {}
        (Value::Null, Value::Object(members)) if members.is_empty() => {}
        (Value::Null, Value::Array(items)) if items.is_empty() => {}
        (Value::Null, Value::String(text)) if text.is_empty() => {}
        (Value::Number(given), Value::Number(written)) if given.as_f64() == written.as_f64() => {}
        _ if given == written => {}
        _ => report.push(format!("{title}: {path} was {given} and became {written}")),
    }
}
