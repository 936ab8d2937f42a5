//! Approvals in agents that work in other ways.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::{
    answers, calls, cancel, careful, frames, history, insert, kinds, memory, messages, messages_of, no, pause, pending,
    said, streamed, the, yes,
};
use crate::harness::{App, on_each_database};

#[tokio::test]
async fn an_agent_that_forgets_between_turns_does_not_forget_what_waits() {
    on_each_database(async |app| {
        let agent = careful(app, json!({ "message_buffer_autoclear": true })).await;
        app.post(&messages(&agent), said("Forget this.")).await.expect_json();
        pause(app, &agent, [insert("call_1", "One."), insert("call_2", "Two.")]).await;
        assert_eq!(app.post(&messages(&agent), said("Well?")).await.status, 409);
        app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        let answer = app.post(&messages(&agent), answers([no("call_2", "No.")])).await.expect_json();
        assert_eq!(kinds(messages_of(&answer)), ["tool_return_message", "assistant_message"]);
        let asked = app.model.last_request();
        let roles: Vec<&str> = asked.messages().iter().map(|said| said["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "tool"]);
        app.post(&messages(&agent), answers([yes("call_1"), yes("call_2")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "One.", "a repeat is known although it is out of sight");
        pause(app, &agent, [insert("call_3", "Three.")]).await;
        app.client.send("POST", &cancel(&agent), None).await.unwrap().expect_json();
        app.post(&messages(&agent), said("And now?")).await.expect_json();
        assert_eq!(app.model.last_request().messages().len(), 2, "it forgets again");
    })
    .await;
}

async fn of_type(app: &mut App, agent_type: &str) -> String {
    let own = json!({ "agent_type": agent_type, "reasoning": true, "tools": ["memory_insert"] });
    let rules = json!({ "parallel_tool_calls": false, "include_base_tool_rules": true });
    careful(app, [own, rules].iter().flat_map(|fields| fields.as_object().unwrap().clone()).collect()).await
}

fn remembers(id: &str, text: &str) -> Answer {
    let arguments = json!({
        "thinking": "Keep it.", "label": "human", "new_string": text, "request_heartbeat": true,
    });
    Answer::tool_calls([muisti_testkit::ScriptedCall::new("memory_insert", arguments).with_id(id)])
}

fn says(words: &str) -> Answer {
    Answer::tool_call("send_message", json!({ "thinking": "Answer.", "message": words }))
}

#[tokio::test]
async fn agents_of_older_types_ask_and_go_on_too() {
    on_each_database(async |app| {
        for agent_type in ["memgpt_agent", "memgpt_v2_agent"] {
            let agent = of_type(app, agent_type).await;
            for (number, tokens) in [(1, None), (2, Some(false)), (3, Some(true))] {
                let call = format!("{agent_type}_{number}");
                app.model.push(remembers(&call, &format!("Text {number}.")));
                let shown = match tokens {
                    None => messages_of(&app.post(&messages(&agent), said("Go.")).await.expect_json()).to_vec(),
                    Some(tokens) => frames(app, &agent, &streamed(said("Go."), tokens)).await,
                };
                assert!(kinds(&shown).contains(&"approval_request_message"), "{agent_type} {shown:?}");
                let waits = pending(app, &agent).await;
                assert_eq!(calls(&waits), std::slice::from_ref(&call));
                let arguments = waits["tool_call"]["arguments"].as_str().unwrap();
                let arguments: Value = serde_json::from_str(arguments).unwrap();
                assert_eq!(arguments, json!({ "label": "human", "new_string": format!("Text {number}.") }));
                assert_eq!(app.post(&messages(&agent), said("Well?")).await.status, 409);
                app.model.push(says("It is noted."));
                let answer = app.post(&messages(&agent), answers([yes(&call)])).await.expect_json();
                let shown = messages_of(&answer);
                assert_eq!(the(shown, "tool_return_message")["status"], "success");
                assert_eq!(the(shown, "assistant_message")["content"], "It is noted.", "{agent_type}");
            }
            assert_eq!(memory(app, &agent).await, "Text 1.\nText 2.\nText 3.");

            app.model.push(remembers(&format!("{agent_type}_4"), "Text 4."));
            app.post(&messages(&agent), said("Go.")).await.expect_json();
            app.model.push(says("Then not."));
            let body = answers([no(&format!("{agent_type}_4"), "No.")]);
            let answer = app.post(&messages(&agent), body).await.expect_json();
            assert_eq!(the(messages_of(&answer), "assistant_message")["content"], "Then not.");
            app.model.push(remembers(&format!("{agent_type}_5"), "Text 5."));
            app.post(&messages(&agent), said("Go.")).await.expect_json();
            app.client.send("POST", &cancel(&agent), None).await.unwrap().expect_json();
            let listed = history(app, &agent).await;
            let expected = ["approval_request_message", "approval_response_message", "tool_return_message"];
            assert_eq!(kinds(&listed[listed.len() - 3..]), expected);
            app.model.push(says("I am here."));
            app.post(&messages(&agent), said("And now?")).await.expect_json();
        }
    })
    .await;
}
