//! Request bodies that many tests begin with, as plain JSON.

use serde_json::{Value, json};

/// The body of the shortest useful `POST /v1/agents/`: a model, and the two usual memory blocks.
pub fn agent_json(model: &str) -> Value {
    json!({
        "model": model,
        "memory_blocks": [
            {"label": "human", "value": "Nothing known yet."},
            {"label": "persona", "value": "Helpful."},
        ],
    })
}

/// The body of `POST /v1/agents/{id}/messages` with one user message.
pub fn user_message(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}
