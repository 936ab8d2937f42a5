use super::*;
use crate::assemble::{Assembler, ChatAnswer};
use crate::chat::{ToolChoice, ToolSpec};

fn tool(name: &str) -> ToolSpec {
    let parameters =
        json!({"type": "object", "properties": {"heartbeat": {"type": "boolean"}}, "required": ["heartbeat"]});
    ToolSpec { name: name.to_owned(), description: String::new(), parameters, strict: false }
}

fn ask(text: &str, tools: &[&str]) -> ChatRequest {
    let system =
        "Be.\n<memory_blocks>\n\n<human>\n<description>\n\n</description>\n<value>\nLikes green.\n</value>\n</human>";
    ChatRequest {
        model: "test".to_owned(),
        messages: vec![ChatMessage::system(system), ChatMessage::user(text)],
        tools: tools.iter().map(|name| tool(name)).collect(),
        ..ChatRequest::default()
    }
}

async fn answer(request: &ChatRequest) -> ChatAnswer {
    let mut events = TestProvider.chat(request).await.unwrap();
    let mut assembler = Assembler::new();
    while let Some(event) = events.next().await {
        assembler.push(&event.unwrap());
    }
    assembler.finish("muisti").unwrap()
}

#[tokio::test]
async fn it_stores_what_it_is_asked_to_remember_with_the_tool_it_is_offered() {
    for (text, fact) in [
        ("Please remember that my name is Ada", "my name is Ada"),
        ("REMEMBER: tea, no milk", "tea, no milk"),
        ("My favourite colour is green. Remember it.", "My favourite colour is green."),
        (r#"{"type": "user_message", "message": "I ski. Please remember this!"}"#, "I ski."),
    ] {
        for (name, expected) in [
            ("memory_insert", json!({"label": "human", "new_string": fact, "heartbeat": true})),
            ("core_memory_append", json!({"label": "human", "content": fact, "heartbeat": true})),
            ("memory", json!({"command": "insert", "path": "human", "insert_text": fact, "heartbeat": true})),
        ] {
            let answer = answer(&ask(text, &["conversation_search", name])).await;
            let [call] = answer.tool_calls.as_slice() else { panic!("one call: {answer:?}") };
            assert_eq!(call.name, name);
            assert_eq!(serde_json::from_str::<Value>(&call.arguments).unwrap(), expected);
            assert_eq!(answer.finish, Some(FinishReason::ToolCalls));
        }
    }
}

#[tokio::test]
async fn it_confirms_after_the_tools_return_and_stops() {
    let mut request = ask("My favourite colour is green. Remember it.", &["memory_insert"]);
    let asked = answer(&request).await;
    let id = asked.tool_calls[0].id.clone();
    let calls = asked.tool_calls;
    request.messages.push(ChatMessage::Assistant { text: None, reasoning: None, tool_calls: calls, name: None });
    request.messages.push(ChatMessage::tool(&id, "Likes green."));
    let confirmed = answer(&request).await;
    assert_eq!(confirmed.text.as_deref(), Some("I will remember that my favourite colour is green."));
    assert!(confirmed.tool_calls.is_empty());

    request.messages.pop();
    request.messages.push(ChatMessage::tool(&id, "Error: the block is read-only"));
    assert!(answer(&request).await.text.unwrap().starts_with("The tool memory_insert answered: Error"));
}

#[tokio::test]
async fn it_tells_what_the_human_block_says() {
    let told = answer(&ask("So, what do you know about me?", &["memory_insert"])).await;
    assert_eq!(told.text.as_deref(), Some("This is what I know about you: Likes green."));
    let usage = told.usage.unwrap();
    assert_eq!(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
}

#[tokio::test]
async fn anything_else_is_said_back_through_the_tool_for_it_if_there_is_one() {
    assert!(answer(&ask("Hello", &[])).await.text.unwrap().starts_with("You said: \"Hello\""));
    let legacy = answer(&ask("Hello", &["send_message"])).await;
    assert_eq!((legacy.text, legacy.tool_calls[0].name.as_str()), (None, "send_message"));
    let forced = ChatRequest { tool_choice: ToolChoice::Named("x".to_owned()), ..ask("Hello", &["x", "send_message"]) };
    assert_eq!(answer(&forced).await.tool_calls[0].arguments, r#"{"heartbeat":true}"#);
    assert!(answer(&ask("remember that I ski", &[])).await.text.unwrap().contains("no tool"));
}

#[tokio::test]
async fn texts_that_share_words_are_near_each_other() {
    let texts = ["green tea", "a cup of green tea", "the moon"].map(str::to_owned);
    let vectors = TestProvider.embed("test-embedding", &texts).await.unwrap();
    let dot = |a: usize, b: usize| vectors[a].iter().zip(&vectors[b]).map(|(x, y)| x * y).sum::<f32>();
    assert!(vectors.iter().all(|vector| vector.len() == 64));
    assert!(dot(0, 1) > dot(0, 2));
    assert!((dot(0, 0) - 1.0).abs() < 1e-5);
}
