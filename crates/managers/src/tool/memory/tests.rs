//! What the memory tools do, call by call.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::prompt::LINE_NUMBER_BANNER;

fn block(label: &str, value: &str) -> MemoryBlock {
    MemoryBlock { label: label.to_owned(), value: value.to_owned(), read_only: false }
}

fn blocks() -> Vec<MemoryBlock> {
    let mut fixed = block("fixed", "never changes");
    fixed.read_only = true;
    vec![block("human", "Name: Ada\nLikes: green\nLikes: tea"), block("empty", ""), fixed]
}

fn call(name: &str, args: Value) -> Result {
    run(name, args.as_object().unwrap(), &blocks())
}

/// The new value of the one block that the call changes, which is also what it returns.
fn value(name: &str, args: Value) -> String {
    let edited = call(name, args).unwrap();
    let [BlockEdit::SetValue { value, .. }] = edited.edits.as_slice() else { panic!("{:?}", edited.edits) };
    assert_eq!(edited.returns.as_ref(), Some(value));
    value.clone()
}

fn error(name: &str, args: Value) -> String {
    call(name, args).unwrap_err().0
}

#[test]
fn an_unknown_label_is_answered_with_those_there_are() {
    for (name, args) in [
        ("core_memory_append", json!({"label": "x", "content": "a"})),
        ("core_memory_replace", json!({"label": "x", "old_content": "a", "new_content": "b"})),
        ("memory_replace", json!({"label": "x", "old_string": "a", "new_string": "b"})),
        ("memory_insert", json!({"label": "x", "new_string": "b"})),
        ("memory_rethink", json!({"label": "x", "new_memory": "b"})),
        ("memory", json!({"command": "delete", "path": "/memories/x"})),
        ("memory", json!({"command": "rename", "old_path": "x", "new_path": "y"})),
    ] {
        assert_eq!(
            error(name, args),
            "Block field x does not exist (available sections = human, empty, fixed)",
            "{name}"
        );
    }
    let patch = json!({"label": "x", "patch": "-a\n+b"});
    assert_eq!(error("memory_apply_patch", patch), "Error: Memory block 'x' does not exist");
}

#[test]
fn a_read_only_block_cannot_be_changed_by_any_tool() {
    for (name, args) in [
        ("core_memory_append", json!({"label": "fixed", "content": "a"})),
        ("core_memory_replace", json!({"label": "fixed", "old_content": "never", "new_content": "b"})),
        ("memory_replace", json!({"label": "fixed", "old_string": "never", "new_string": "b"})),
        ("memory_insert", json!({"label": "fixed", "new_string": "b"})),
        ("memory_rethink", json!({"label": "fixed", "new_memory": "b"})),
        ("memory_apply_patch", json!({"label": "fixed", "patch": "-never changes\n+b"})),
        ("memory_apply_patch", json!({"label": "", "patch": "*** Delete Block: fixed"})),
        ("memory", json!({"command": "delete", "path": "fixed"})),
        ("memory", json!({"command": "rename", "old_path": "fixed", "new_path": "y"})),
        ("memory", json!({"command": "rename", "path": "fixed", "description": "y"})),
        ("memory", json!({"command": "insert", "path": "fixed", "insert_text": "y"})),
    ] {
        assert_eq!(error(name, args), "Error This block is read-only and cannot be edited.", "{name}");
    }
}

#[test]
fn append_adds_a_line() {
    let new = value("core_memory_append", json!({"label": "human", "content": "Age: 36"}));
    assert_eq!(new, "Name: Ada\nLikes: green\nLikes: tea\nAge: 36");
    assert_eq!(value("core_memory_append", json!({"label": "empty", "content": "a"})), "a");
}

#[test]
fn core_replace_changes_every_occurrence() {
    let args = json!({"label": "human", "old_content": "Likes", "new_content": "Loves"});
    assert_eq!(value("core_memory_replace", args), "Name: Ada\nLoves: green\nLoves: tea");
    let args = json!({"label": "human", "old_content": "Hates", "new_content": "Loves"});
    assert_eq!(error("core_memory_replace", args), "Old content 'Hates' not found in memory block 'human'");
    let args = json!({"label": "human", "old_content": "", "new_content": "x"});
    assert!(error("core_memory_replace", args).starts_with("old_content is empty"));
}

#[test]
fn replace_wants_exactly_one_occurrence() {
    let args = json!({"label": "human", "old_string": "Likes: green", "new_string": "Likes: blue"});
    assert_eq!(value("memory_replace", args), "Name: Ada\nLikes: blue\nLikes: tea");
    let args = json!({"label": "human", "old_string": "Likes: red", "new_string": "x"});
    assert!(error("memory_replace", args).starts_with(
        "No replacement was performed, old_string `Likes: red` did not appear verbatim in memory block 'human'"
    ));
    let args = json!({"label": "human", "old_string": "Likes", "new_string": "x"});
    assert!(
        error("memory_replace", args)
            .starts_with("No replacement was performed. Multiple occurrences of old_string `Likes` in lines [2, 3].")
    );
    let twice = [block("b", "a\nb\na\nb")];
    let error = memory_replace(&twice, "b", "a\nb", "x").unwrap_err();
    assert!(error.0.contains("in lines []."), "{error}");
    let args = json!({"label": "human", "old_string": "", "new_string": "x"});
    assert!(self::error("memory_replace", args).starts_with("No replacement was performed"));
    assert_eq!(value("memory_replace", json!({"label": "empty", "old_string": "", "new_string": "x"})), "x");
}

#[test]
fn replace_sees_through_tabs_and_keeps_those_around() {
    let tabs = [block("b", "list:\n\t- one\n\t- two")];
    let edited = memory_replace(&tabs, "b", "        - one", "        - 1").unwrap();
    assert_eq!(edited.returns.unwrap(), "list:\n        - 1\n\t- two");
}

#[test]
fn line_numbers_of_the_prompt_are_refused() {
    let args = json!({"label": "human", "old_string": "1→ Name: Ada", "new_string": "x"});
    assert!(error("memory_replace", args).starts_with("old_string contains a line number prefix, which is not"));
    let args = json!({"label": "human", "old_string": "Name: Ada", "new_string": "a\n 2→ x"});
    assert!(error("memory_replace", args).starts_with("new_string contains a line number prefix, which is not"));
    let args = json!({"label": "human", "new_memory": LINE_NUMBER_BANNER});
    assert!(error("memory_rethink", args).starts_with("new_memory contains a line number warning, which is not"));
    let args = json!({"label": "human", "patch": "-Name: Ada\n+1→ Name: Eve"});
    assert!(error("memory_apply_patch", args).starts_with("patch contains a line number prefix, which is not"));
    let args = json!({"command": "insert", "path": "human", "insert_text": "1→ x"});
    assert!(error("memory", args).starts_with("insert_text contains a line number prefix, which is not"));
}

#[test]
fn insert_goes_after_the_line_or_to_the_end() {
    let insert = |line: i64| value("memory_insert", json!({"label": "human", "new_string": "x", "insert_line": line}));
    assert_eq!(insert(0), "x\nName: Ada\nLikes: green\nLikes: tea");
    assert_eq!(insert(1), "Name: Ada\nx\nLikes: green\nLikes: tea");
    assert_eq!(insert(3), "Name: Ada\nLikes: green\nLikes: tea\nx");
    assert_eq!(insert(-1), insert(3));
    assert_eq!(value("memory_insert", json!({"label": "human", "new_string": "x"})), insert(3));
    for line in [4, -2, i64::MAX] {
        let error = error("memory_insert", json!({"label": "human", "new_string": "x", "insert_line": line}));
        assert!(error.starts_with(&format!("Invalid `insert_line` parameter: {line}.")), "{error}");
        assert!(error.contains("[0, 3]"), "{error}");
    }
    for line in [0, 1, -1] {
        let args = json!({"label": "empty", "new_string": "x", "insert_line": line});
        assert_eq!(value("memory_insert", args), "x");
    }
}

#[test]
fn rethink_replaces_all_and_finish_does_nothing() {
    assert_eq!(value("memory_rethink", json!({"label": "human", "new_memory": "new"})), "new");
    assert_eq!(call("memory_finish_edits", json!({})).unwrap(), Edited::default());
}

#[test]
fn the_memory_tool_creates_renames_describes_and_detaches() {
    let edited = call("memory", json!({"command": "create", "path": "/memories/a/b", "description": "d"})).unwrap();
    let create = BlockEdit::Create { label: "a/b".into(), description: "d".into(), value: String::new() };
    assert_eq!(edited.edits, [create]);
    assert!(edited.returns.unwrap().starts_with("Successfully created memory block 'a/b'."));

    let edited = call("memory", json!({"command": "rename", "old_path": "/human", "new_path": "friend"})).unwrap();
    assert_eq!(edited.edits, [BlockEdit::Rename { label: "human".into(), to: "friend".into() }]);
    assert!(edited.returns.unwrap().starts_with("Successfully renamed memory block 'human' to 'friend'."));

    let edited = call("memory", json!({"command": "rename", "path": "human", "description": "who"})).unwrap();
    let describe = BlockEdit::SetDescription { label: "human".into(), description: "who".into() };
    assert_eq!(edited.edits, [describe]);
    assert!(edited.returns.unwrap().starts_with("Successfully updated description of memory block 'human'."));

    let edited = call("memory", json!({"command": "delete", "path": "/memories/human"})).unwrap();
    assert_eq!(edited.edits, [BlockEdit::Detach { label: "human".into() }]);
    assert!(edited.returns.unwrap().starts_with("Successfully deleted memory block 'human'."));

    for taken in [
        json!({"command": "create", "path": "human", "description": "d"}),
        json!({"command": "rename", "old_path": "empty", "new_path": "human"}),
    ] {
        assert_eq!(error("memory", taken), "Error: Memory block 'human' already exists");
    }
}

#[test]
fn the_memory_tool_edits_text_like_the_tools_of_their_own() {
    let args = json!({"command": "str_replace", "path": "human", "old_string": "Ada", "new_string": "Eve"});
    assert!(value("memory", args).starts_with("Name: Eve\n"));
    let args = json!({"command": "insert", "path": "human", "insert_text": "x", "insert_line": 0});
    assert!(value("memory", args).starts_with("x\n"));
    let args = json!({"command": "insert", "path": "human", "insert_text": "x", "insert_line": null});
    assert!(value("memory", args).ends_with("\nx"));
}

#[test]
fn the_memory_tool_names_what_is_missing() {
    for (args, text) in [
        (json!({"command": "create", "path": "a"}), "Error: description is required for create command"),
        (json!({"command": "create", "description": "a"}), "Error: path is required for create command"),
        (json!({"command": "str_replace", "path": "human"}), "Error: old_string is required for str_replace command"),
        (json!({"command": "insert", "path": "human"}), "Error: insert_text is required for insert command"),
        (json!({"command": "delete", "path": null}), "Error: path is required for delete command"),
        (json!({"command": "rename", "old_path": "a"}), "Error: new_path is required for rename command"),
        (json!({"command": "rename", "path": "a"}), "Error: description is required for rename command"),
        (
            json!({"command": "view"}),
            "Error: Unknown command 'view'. Supported commands: create, str_replace, insert, delete, rename",
        ),
    ] {
        assert_eq!(error("memory", args), text);
    }
    assert!(error("memory", json!({"command": "delete", "path": "/memories/"})).contains("must name a memory block"));
}

#[test]
fn a_patch_without_headers_changes_the_named_block() {
    let patch = "@@\n Name: Ada\n-Likes: green\n+Likes: blue\n\n@@\n-Likes: tea\n+Likes: coffee\n";
    let new = value("memory_apply_patch", json!({"label": "human", "patch": patch}));
    assert_eq!(new, "Name: Ada\nLikes: blue\nLikes: coffee");
    let new = value("memory_apply_patch", json!({"label": "human", "patch": "+Age: 36\n"}));
    assert_eq!(new, "Name: Ada\nLikes: green\nLikes: tea\nAge: 36");
    assert_eq!(value("memory_apply_patch", json!({"label": "empty", "patch": "--- a\n+++ b\n@@\n+x"})), "x");
}

#[test]
fn a_hunk_must_fit_one_place() {
    let args = json!({"label": "human", "patch": "-Likes: red\n-b\n-c\n-d\n-e\n+x"});
    let text = error("memory_apply_patch", args);
    assert!(text.starts_with("Failed to apply patch: expected hunk context not found"), "{text}");
    assert!(text.ends_with("Likes: red\nb\nc\nd"), "{text}");
    let twice = [block("b", "a\nb\na")];
    let text = patch::apply(&twice, "b", "-a\n+x").unwrap_err().0;
    assert!(text.contains("matched multiple places"), "{text}");
    let text = error("memory_apply_patch", json!({"label": "human", "patch": "please change it"}));
    assert!(text.starts_with("No applicable hunks found in patch."), "{text}");
}

#[test]
fn a_patch_with_headers_does_many_things_in_the_order_written() {
    let patch = "*** Begin Patch\n*** Add Block: notes\nDescription: what to keep\n+one\n\n+two\n\n\
                 *** Update Block: human\n*** Move to: friend\n@@\n-Name: Ada\n+Name: Eve\n\n\
                 *** Delete Block: empty\n*** Update Block: friend\n+Age: 36\n*** Move to: pal\n*** End Patch";
    let edited = call("memory_apply_patch", json!({"label": "human", "patch": patch})).unwrap();
    let eve = "Name: Eve\nLikes: green\nLikes: tea";
    assert_eq!(
        edited.edits,
        [
            BlockEdit::Create { label: "notes".into(), description: "what to keep".into(), value: "one\n\ntwo".into() },
            BlockEdit::Rename { label: "human".into(), to: "friend".into() },
            BlockEdit::SetValue { label: "friend".into(), value: eve.into() },
            BlockEdit::Detach { label: "empty".into() },
            BlockEdit::SetValue { label: "friend".into(), value: format!("{eve}\nAge: 36") },
            BlockEdit::Rename { label: "friend".into(), to: "pal".into() },
        ]
    );
    assert!(edited.returns.unwrap().ends_with(
        "Operations completed:\n- Created memory block 'notes'\n- Renamed memory block 'human' to 'friend'\n\
         - Updated memory block 'friend'\n- Deleted memory block 'empty'\n- Updated memory block 'friend'\n\
         - Renamed memory block 'friend' to 'pal'"
    ));
}

#[test]
fn a_patch_with_a_fault_does_nothing() {
    for (patch, start) in [
        ("*** Add Block: human\n+x", "Error: Memory block 'human' already exists"),
        ("*** Add Block:  \n+x", "*** Add Block: must specify a non-empty label"),
        ("*** Add Block: new\n+x\n*** Delete Block: gone", "Error: Memory block 'gone' does not exist"),
        ("*** Update Block: human\nnothing", "No applicable hunks found in patch."),
        ("*** Move to: x", "*** Move to: must follow"),
        ("*** Delete Block: empty\n*** Move to: x", "Error: Memory block 'empty' does not exist"),
        ("*** Update Block: empty\n*** Move to: human", "Error: Memory block 'human' already exists"),
    ] {
        let text = error("memory_apply_patch", json!({"label": "human", "patch": patch}));
        assert!(text.starts_with(start), "{patch}: {text}");
    }
}

proptest! {
    #[test]
    fn no_patch_makes_it_panic(patch in "([-+ @*]|Update Block: |Add Block: |Move to: |[a-c]|é|\n){0,40}") {
        let _ = patch::apply(&blocks(), "human", &patch);
    }

    #[test]
    fn a_patch_that_removes_all_and_adds_other_lines_yields_those(
        old in proptest::collection::vec("[a-z]{1,5}", 1..8), new in proptest::collection::vec("[a-z]{1,5}", 1..8),
    ) {
        let minus: Vec<_> = old.iter().map(|line| format!("-{line}")).collect();
        let plus: Vec<_> = new.iter().map(|line| format!("+{line}")).collect();
        let patch = format!("{}\n{}", minus.join("\n"), plus.join("\n"));
        let edited = patch::apply(&[block("b", &old.join("\n"))], "b", &patch).unwrap();
        prop_assert_eq!(edited.returns.unwrap(), new.join("\n"));
    }

    #[test]
    fn replacing_there_and_back_leaves_the_block_as_it_was(before in "[a-z \t\n]{0,20}", after in "[a-z \t\n]{0,20}") {
        let original = format!("{before}OLD{after}");
        let there = memory_replace(&[block("b", &original)], "b", "OLD", "NEW").unwrap().returns.unwrap();
        let back = memory_replace(&[block("b", &there)], "b", "NEW", "OLD").unwrap().returns.unwrap();
        prop_assert_eq!(back, original);
    }

    #[test]
    fn an_inserted_line_is_the_only_change(value in "[a-z\n]{1,30}", line in 0usize..30) {
        let lines: Vec<&str> = value.split('\n').collect();
        let result = memory_insert(&[block("b", &value)], "b", ("new_string", "X"), line as i64);
        if line > lines.len() {
            prop_assert!(result.is_err());
        } else {
            let new = result.unwrap().returns.unwrap();
            let mut new: Vec<&str> = new.split('\n').collect();
            prop_assert_eq!(new.remove(line), "X");
            prop_assert_eq!(new, lines);
        }
    }
}
