//! Images of requests: what is none is refused, and no image stands in the way of a model that reads text only.

use muisti_testkit::{Answer, ScriptedCall, user_message};
use serde_json::{Value, json};

use crate::harness::{App, assert_error, id, on_each_database};

const PNG: &str = "iVBORw0KGgo=";
/// "hello".
const NO_IMAGE: &str = "aGVsbG8=";

fn image(media_type: &str, data: &str) -> Value {
    json!({ "type": "image", "source": { "type": "base64", "media_type": media_type, "data": data } })
}

fn shows(image: Value) -> Value {
    json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": "Look." }, image] }] })
}

async fn agent(app: &mut App) -> String {
    let agent = app.agent(json!({})).await;
    format!("/v1/agents/{}/messages", id(&agent))
}

#[tokio::test]
async fn what_is_no_image_is_refused_wherever_it_comes_from_and_never_stored() {
    on_each_database(async |app| {
        let path = agent(app).await;
        let agent = path.split('/').nth(3).unwrap().to_owned();
        let conversation = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let import = format!("/v1/conversations/{}/messages/import", id(&conversation));
        let before = app.list(&path).await;
        for media_type in ["image/png", "image/tiff"] {
            let bad = image(media_type, NO_IMAGE);
            for way in ["", "/async", "/preview-raw-payload"] {
                let refused = app.post(&format!("{path}{way}"), shows(bad.clone())).await;
                assert_error(&refused, 400, "no PNG, JPEG, GIF or WebP image");
            }
            assert_error(&app.post(&import, shows(bad.clone())).await, 422, "no PNG, JPEG, GIF or WebP image");
            let first = shows(bad)["messages"].clone();
            let made =
                app.post("/v1/agents/", json!({ "model": "openai/gpt-4o-mini", "initial_message_sequence": first }));
            assert_error(&made.await, 400, "no PNG, JPEG, GIF or WebP image");
        }
        assert_eq!(app.list(&path).await, before);

        let tools =
            json!([{ "name": "look", "description": "Looks.", "parameters": { "type": "object", "properties": {} } }]);
        app.model.push(Answer::tool_calls([ScriptedCall::new("look", json!({})).with_id("call_1")]));
        let mut ask = user_message("Look for me.");
        ask["client_tools"] = tools.clone();
        app.post(&path, ask).await.expect_json();
        let returned = |image: Value| {
            let entry =
                json!({ "type": "tool", "tool_call_id": "call_1", "status": "success", "tool_return": [image] });
            json!({ "messages": [{ "type": "tool_return", "tool_returns": [entry] }], "client_tools": tools })
        };
        let refused = app.post(&path, returned(image("image/png", NO_IMAGE))).await;
        assert_error(&refused, 400, "no PNG, JPEG, GIF or WebP image");
        // The call waits on, and an image that is merely called another is one.
        app.model.push(Answer::text("Nice."));
        let answer = app.post(&path, returned(image("image/jpeg", PNG))).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn", "{answer}");
        let asked = app.model.last_request().body["messages"].to_string();
        assert!(asked.contains(&format!("data:image/png;base64,{PNG}")), "{asked}");
    })
    .await;
}

#[tokio::test]
async fn a_model_that_turns_out_to_read_text_only_is_asked_without_the_images() {
    on_each_database(async |app| {
        let path = agent(app).await;
        app.model.push(Answer::text("A picture."));
        app.post(&path, shows(image("image/png", PNG))).await.expect_json();
        app.model.answer_with(|request| {
            if request.body["messages"].to_string().contains("image_url") {
                Answer::error(500, "image input is not supported - hint: you may need to provide the mmproj")
            } else {
                Answer::text("I see no picture.")
            }
        });
        app.model.clear_requests();
        for path in [path.clone(), format!("{path}/stream")] {
            let response = app.post(&path, user_message("What was it?")).await;
            assert_eq!(response.status, 200, "{}", response.text());
            assert!(response.text().contains("I see no picture."), "{}", response.text());
        }
        // A refusal is no failure to be repeated.
        let asked = app.model.requests();
        assert_eq!(asked.len(), 4);
        assert!(asked[1].body["messages"].to_string().contains("[Image omitted]"));

        // What is refused for another reason stays refused.
        app.model.answer_with(|_| Answer::error(400, "Invalid image."));
        let other = agent(app).await;
        app.model.clear_requests();
        assert_eq!(app.post(&other, user_message("Hello.")).await.status, 400);
        assert_eq!(app.model.requests().len(), 1);
    })
    .await;
}
