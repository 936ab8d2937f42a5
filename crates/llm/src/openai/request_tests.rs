use super::*;
use crate::chat::{ChatMessage, ChatPart, ToolCallOut};
use crate::http::BaseUrl;
use crate::openai::messages::NO_IMAGE;

fn body(kind: ProviderKind, url: &str, request: &ChatRequest) -> Value {
    let settings = ProviderSettings::new(kind, BaseUrl::parse(url).unwrap());
    serde_json::to_value(Body::new(&settings, request)).unwrap()
}

fn openai(request: &ChatRequest) -> Value {
    body(ProviderKind::OpenAi, "https://api.openai.com", request)
}

fn request(model: &str) -> ChatRequest {
    ChatRequest {
        model: model.to_owned(),
        messages: vec![ChatMessage::system("Be kind."), ChatMessage::user("Hello")],
        temperature: Some(0.7),
        max_tokens: Some(100),
        reasoning_effort: Some("low".to_owned()),
        ..ChatRequest::default()
    }
}

fn with_tool(model: &str, strict: bool) -> ChatRequest {
    let parameters = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": []});
    let tool = ToolSpec { name: "t".to_owned(), description: "Does.".to_owned(), parameters, strict };
    ChatRequest { tools: vec![tool], parallel_tool_calls: Some(false), ..request(model) }
}

#[test]
fn a_plain_request_has_no_nulls() {
    assert_eq!(
        openai(&request("gpt-4o-mini")),
        json!({"model": "gpt-4o-mini",
               "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}],
               "temperature": 0.7, "max_completion_tokens": 100})
    );
}

#[test]
fn reasoning_models_get_effort_and_the_developer_role_but_no_temperature() {
    for model in ["o1", "o3-mini", "o4-mini", "gpt-5"] {
        let sent = openai(&with_tool(model, false));
        assert_eq!(sent["reasoning_effort"], "low", "{model}");
        assert_eq!(sent["messages"][0]["role"], "developer");
        assert_eq!(sent["max_completion_tokens"], 100);
        assert!(sent.get("temperature").is_none() && sent.get("parallel_tool_calls").is_none());
    }
    let local = body(ProviderKind::Ollama, "http://localhost:11434", &request("gpt-5-distill"));
    assert_eq!((&local["messages"][0]["role"], &local["max_tokens"]), (&json!("system"), &json!(100)));
    assert_eq!(local["temperature"], 0.7);
}

#[test]
fn logprobs_are_asked_for_only_where_they_are_told() {
    let asks = |model: &str| ChatRequest { logprobs: true, top_logprobs: Some(3), ..request(model) };
    let sent = openai(&asks("gpt-4o"));
    assert_eq!((&sent["logprobs"], &sent["top_logprobs"]), (&json!(true), &json!(3)));
    let sent = openai(&asks("o3-mini"));
    assert!(sent.get("logprobs").is_none() && sent.get("top_logprobs").is_none());
    let sent = openai(&ChatRequest { logprobs: false, ..asks("gpt-4o") });
    assert!(sent.get("logprobs").is_none() && sent.get("top_logprobs").is_none());
}

#[test]
fn images_that_tools_return_follow_their_returns_as_a_message_of_the_user() {
    let image = ChatPart::Image { media_type: "image/png".to_owned(), data: "AAAA".to_owned(), detail: None };
    let calls =
        ["a", "b"].map(|id| ToolCallOut { id: id.to_owned(), name: "look".to_owned(), arguments: "{}".to_owned() });
    let returned = |id: &str, content: &str, images| ChatMessage::Tool {
        tool_call_id: id.to_owned(),
        content: content.to_owned(),
        images,
    };
    let messages = vec![
        ChatMessage::Assistant { text: None, reasoning: None, tool_calls: calls.to_vec(), name: None },
        returned("a", "", vec![image.clone()]),
        returned("b", "Two.", vec![image.clone(), image]),
        ChatMessage::assistant("I see."),
    ];
    let sent = openai(&ChatRequest { messages: messages.clone(), ..request("gpt-4o") })["messages"].clone();
    let roles: Vec<&str> = sent.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "tool", "tool", "user", "assistant"]);
    assert_eq!(sent[2]["content"], "Two.");
    assert_eq!(sent[3]["content"].as_array().unwrap().len(), 4);
    assert_eq!(sent[3]["content"][1]["image_url"]["url"], "data:image/png;base64,AAAA");

    let messages: Vec<ChatMessage> = messages.into_iter().take(3).collect();
    let sent = openai(&ChatRequest { messages: messages.clone(), ..request("gpt-4o") })["messages"].clone();
    assert_eq!(sent[3]["role"], "user");
    let sent = openai(&ChatRequest { messages, ..request("o3-mini") })["messages"].clone();
    assert_eq!((sent.as_array().unwrap().len(), &sent[1]["content"]), (3, &json!(NO_IMAGE)));
}

#[test]
fn a_model_that_reads_text_only_is_told_that_there_was_an_image() {
    let image = ChatPart::Image { media_type: "image/png".to_owned(), data: "AAAA".to_owned(), detail: None };
    let parts = vec![ChatPart::Text("What is this?".to_owned()), image];
    let messages = vec![ChatMessage::User { parts, name: None }];
    let sent = openai(&ChatRequest { messages: messages.clone(), ..request("gpt-3.5-turbo") });
    let expected = json!([{"type": "text", "text": "What is this?"}, {"type": "text", "text": NO_IMAGE}]);
    assert_eq!(sent["messages"][0]["content"], expected);
    let local = body(ProviderKind::Ollama, "http://localhost:11434", &ChatRequest { messages, ..request("llava") });
    assert_eq!(local["messages"][0]["content"][1]["type"], "image_url");
}

#[test]
fn the_stream_asks_for_usage() {
    let sent = openai(&ChatRequest { stream: true, ..request("gpt-4o") });
    assert_eq!((&sent["stream"], &sent["stream_options"]), (&json!(true), &json!({"include_usage": true})));
}

#[test]
fn tools_are_not_strict_unless_asked() {
    let sent = openai(&with_tool("gpt-4o", false));
    let parameters = &sent["tools"][0]["function"]["parameters"];
    assert!(sent["tools"][0]["function"].get("strict").is_none() && parameters.get("additionalProperties").is_none());
    assert_eq!((&sent["tool_choice"], &sent["parallel_tool_calls"]), (&json!("auto"), &json!(false)));
    let strict = openai(&with_tool("gpt-4o", true));
    assert_eq!(strict["tools"][0]["function"]["strict"], true);
    assert_eq!(strict["tools"][0]["function"]["parameters"]["required"], json!(["a"]));
}

#[test]
fn every_tool_choice_has_its_form() {
    let named = ToolChoice::Named("t".to_owned());
    let choose = |kind, choice: &ToolChoice| {
        body(kind, "http://h", &ChatRequest { tool_choice: choice.clone(), ..with_tool("m", false) })["tool_choice"]
            .clone()
    };
    assert_eq!(choose(ProviderKind::OpenAi, &named), json!({"type": "function", "function": {"name": "t"}}));
    assert_eq!(choose(ProviderKind::Groq, &named), "required");
    assert_eq!(choose(ProviderKind::OpenAi, &ToolChoice::Required), "required");
    assert_eq!(choose(ProviderKind::OpenAi, &ToolChoice::None), "none");
}

#[test]
fn messages_take_the_form_of_the_wire() {
    let call = |id: &str| ToolCallOut { id: id.to_owned(), name: "t".to_owned(), arguments: String::new() };
    let long = ["x".repeat(40), "x".repeat(50)];
    let image = ChatPart::Image { media_type: "image/png".to_owned(), data: "AAAA".to_owned(), detail: None };
    let messages = vec![
        ChatMessage::User { parts: vec![ChatPart::Text("look".to_owned()), image], name: Some("a b".to_owned()) },
        ChatMessage::Assistant { text: None, reasoning: Some("hm".to_owned()), tool_calls: vec![], name: None },
        ChatMessage::Assistant {
            text: None,
            reasoning: Some("hm".to_owned()),
            tool_calls: vec![call(&long[0]), call(&long[1])],
            name: Some("Ada".to_owned()),
        },
        ChatMessage::tool(&long[0], "one"),
        ChatMessage::tool(&long[1], ""),
    ];
    let request = ChatRequest { model: "m".to_owned(), messages, ..ChatRequest::default() };
    let sent = openai(&request);
    let sent = sent["messages"].as_array().unwrap();
    assert_eq!(sent.len(), 4, "an answer with nothing in it is not sent");
    assert_eq!(sent[0]["content"][1]["image_url"], json!({"url": "data:image/png;base64,AAAA", "detail": "auto"}));
    assert!(sent[0].get("name").is_none());
    assert_eq!((&sent[1]["content"], &sent[1]["name"]), (&Value::Null, &json!("Ada")));
    assert!(sent[1].get("reasoning_content").is_none());
    assert_eq!(sent[1]["tool_calls"][0]["function"]["arguments"], "{}");
    let id = |i: usize| sent[1]["tool_calls"][i]["id"].as_str().unwrap();
    assert_eq!((id(0), id(1)), ("x".repeat(29).as_str(), format!("{}-1", "x".repeat(27)).as_str()));
    assert_eq!((&sent[2]["tool_call_id"], &sent[3]["tool_call_id"]), (&json!(id(0)), &json!(id(1))));

    let local = body(ProviderKind::LlamaCpp, "http://h", &request);
    assert_eq!(local["messages"][1]["reasoning_content"], "hm");
}

#[test]
fn calls_of_a_malformed_answer_are_sent_in_a_form_that_every_provider_takes() {
    let long = "n".repeat(70);
    let calls = [
        ("t", r#"{"a": 1}"#, "t", r#"{"a": 1}"#),
        ("t", r#"{"a": 1}{"a": 2}"#, "t", r#"{"a":1}"#),
        ("t", r#""{\"a\": 1}""#, "t", r#"{"a":1}"#),
        ("t", r#"{"a": "half a sent"#, "t", "{}"),
        ("t", "[1]", "t", "{}"),
        ("t", "remember this", "t", "{}"),
        ("", "", "unknown_tool", "{}"),
        ("a tool.of<mine>", " ", "a_tool_of_mine_", "{}"),
        (long.as_str(), "{}", &long[..64], "{}"),
    ];
    let call = |(at, (name, arguments, ..)): (usize, &(&str, &str, &str, &str))| ToolCallOut {
        id: at.to_string(),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    };
    let tool_calls = calls.iter().enumerate().map(call).collect();
    let messages = vec![ChatMessage::Assistant { text: None, reasoning: None, tool_calls, name: None }];
    let sent = openai(&ChatRequest { messages, ..request("gpt-4o") });
    for (at, (.., name, arguments)) in calls.iter().enumerate() {
        let function = &sent["messages"][0]["tool_calls"][at]["function"];
        assert_eq!((&function["name"], &function["arguments"]), (&json!(name), &json!(arguments)));
    }
}

#[test]
fn long_caching_and_the_priority_tier_are_asked_of_openai_alone() {
    let sent = openai(&request("gpt-5.4-fast"));
    assert_eq!((&sent["model"], &sent["service_tier"]), (&json!("gpt-5.4"), &json!("priority")));
    assert_eq!(sent["prompt_cache_retention"], "24h");
    assert!(openai(&request("gpt-5-mini")).get("prompt_cache_retention").is_none());
    let proxy = body(ProviderKind::OpenAi, "http://proxy", &request("gpt-5.4-fast"));
    assert_eq!(proxy["model"], "gpt-5.4-fast");
    assert!(proxy.get("service_tier").is_none() && proxy.get("prompt_cache_retention").is_none());
}
