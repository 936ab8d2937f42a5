//! What a request changes of a block.

use std::collections::BTreeSet;

use crate::schema::{Block, BlockUpdate, Patch};

/// The difference between a stored block and what it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// The block as it is to be.
    pub(super) block: Block,
    /// Whether anything but the tags differs.
    pub(super) row: bool,
    /// Whether the tags differ, as a set.
    pub(super) tags: bool,
    /// Whether what differs is shown in the prompts of agents.
    pub(super) shown: bool,
}

impl Change {
    /// What differs between `stored` and `wanted`.
    pub(super) fn between(stored: &Block, wanted: Block) -> Self {
        fn set(block: &Block) -> BTreeSet<&String> {
            block.tags.iter().collect()
        }
        let tags = set(stored) != set(&wanted);
        let row = Block { tags: stored.tags.clone(), ..wanted.clone() } != *stored;
        let shown = stored.value != wanted.value
            || stored.label != wanted.label
            || stored.description != wanted.description
            || stored.limit != wanted.limit
            || stored.read_only != wanted.read_only;
        Self { block: wanted, row, tags, shown }
    }
}

/// The block after an update: absent and null leave a field as it is.
pub(super) fn updated(stored: &Block, update: BlockUpdate) -> Block {
    fn set<T>(field: &mut T, patch: Patch<T>) {
        if let Some(value) = patch.value() {
            *field = value;
        }
    }
    fn set_some<T>(field: &mut Option<T>, patch: Patch<T>) {
        if let Some(value) = patch.value() {
            *field = Some(value);
        }
    }
    fn text(patch: Patch<String>) -> Patch<String> {
        match patch {
            Patch::Value(text) => Patch::Value(without_nul(text)),
            other => other,
        }
    }
    let mut block = stored.clone();
    set(&mut block.value, text(update.value));
    set(&mut block.limit, update.limit);
    set_some(&mut block.project_id, text(update.project_id));
    set_some(&mut block.template_name, text(update.template_name));
    set(&mut block.is_template, update.is_template);
    set_some(&mut block.template_id, text(update.template_id));
    set_some(&mut block.base_template_id, text(update.base_template_id));
    set_some(&mut block.deployment_id, text(update.deployment_id));
    set_some(&mut block.entity_id, text(update.entity_id));
    set(&mut block.preserve_on_migration, update.preserve_on_migration);
    set(&mut block.label, text(update.label));
    set(&mut block.read_only, update.read_only);
    set_some(&mut block.description, text(update.description));
    set(&mut block.metadata, update.metadata);
    set_some(&mut block.hidden, update.hidden);
    set(&mut block.tags, update.tags);
    block
}

/// The text without NUL characters, which cannot be stored: what is compared and answered must be what is kept.
pub(crate) fn without_nul(mut text: String) -> String {
    if text.contains('\0') {
        text.retain(|c| c != '\0');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn stored() -> Block {
        serde_json::from_value(json!({
            "id": "block-123e4567-e89b-42d3-8456-426614174000", "label": "human", "value": "v", "limit": 10,
            "description": "d", "metadata": {"a": 1}, "tags": ["x", "y"],
        }))
        .unwrap()
    }

    fn change(update: Value) -> (bool, bool, bool) {
        let change = Change::between(&stored(), updated(&stored(), serde_json::from_value(update).unwrap()));
        (change.row, change.tags, change.shown)
    }

    #[test]
    fn what_equals_the_stored_value_or_is_null_is_no_change() {
        for update in [
            json!({}),
            json!({"value": "v", "label": "human", "limit": 10, "description": "d", "read_only": false}),
            json!({"value": "\0v"}),
            json!({"metadata": {"a": 1}, "tags": ["y", "x", "y"]}),
            json!({"value": null, "description": null, "metadata": null, "tags": null, "hidden": null}),
        ] {
            assert_eq!(change(update.clone()), (false, false, false), "{update}");
        }
    }

    #[test]
    fn tags_alone_do_not_touch_the_row() {
        for update in [json!({"tags": []}), json!({"tags": ["x"]}), json!({"tags": ["x", "y", "z"], "value": "v"})] {
            assert_eq!(change(update.clone()), (false, true, false), "{update}");
        }
    }

    #[test]
    fn prompts_show_value_label_description_limit_and_whether_it_is_read_only() {
        for update in [
            json!({"value": ""}),
            json!({"label": "other"}),
            json!({"description": "other"}),
            json!({"limit": 11}),
            json!({"read_only": true}),
        ] {
            assert_eq!(change(update.clone()), (true, false, true), "{update}");
        }
        for update in [
            json!({"metadata": {}}),
            json!({"hidden": true}),
            json!({"is_template": true}),
            json!({"template_id": "t"}),
            json!({"project_id": "p"}),
        ] {
            assert_eq!(change(update.clone()), (true, false, false), "{update}");
        }
    }
}
