//! Names of agents: making one up, and which ones are allowed.

use rand::seq::IndexedRandom;

use crate::error::{Error, FieldError, Result};

/// More characters than this are refused: the longest name must still fit into an index of either database.
const MAX_LENGTH: usize = 512;

const ADJECTIVES: &[&str] = &[
    "Amber", "Ample", "Azure", "Bold", "Brave", "Bright", "Brisk", "Calm", "Candid", "Clever", "Cosmic", "Cozy",
    "Crisp", "Curious", "Dapper", "Daring", "Deft", "Eager", "Early", "Earnest", "Easy", "Fabled", "Fair", "Fond",
    "Frank", "Fresh", "Gentle", "Gleaming", "Golden", "Graceful", "Handy", "Hardy", "Honest", "Humble", "Ideal",
    "Jolly", "Jovial", "Keen", "Kind", "Lively", "Loyal", "Lucid", "Lucky", "Mellow", "Merry", "Mighty", "Mindful",
    "Misty", "Modest", "Neat", "Nimble", "Noble", "Patient", "Placid", "Polite", "Prime", "Proud", "Quick", "Quiet",
    "Ready", "Rustic", "Serene", "Sharp", "Silver", "Sincere", "Smooth", "Snowy", "Spry", "Steady", "Stellar", "Sunny",
    "Swift", "Tidy", "Tranquil", "Trusty", "Upbeat", "Vivid", "Warm", "Wise", "Witty", "Zesty",
];

const NOUNS: &[&str] = &[
    "Badger", "Beacon", "Birch", "Bison", "Brook", "Canyon", "Cedar", "Comet", "Coral", "Crane", "Cricket", "Curlew",
    "Dolphin", "Dune", "Ember", "Falcon", "Fern", "Finch", "Fjord", "Forest", "Fox", "Garnet", "Gecko", "Glacier",
    "Grove", "Harbor", "Hare", "Hazel", "Heron", "Hill", "Ibis", "Iris", "Island", "Juniper", "Kestrel", "Lagoon",
    "Lantern", "Lark", "Lemur", "Lichen", "Lizard", "Lotus", "Lynx", "Magpie", "Maple", "Marten", "Meadow", "Meteor",
    "Moose", "Moth", "Nebula", "Newt", "Oak", "Ocelot", "Orchid", "Osprey", "Otter", "Owl", "Panda", "Pebble", "Pine",
    "Planet", "Puffin", "Quail", "Rabbit", "Raven", "Reef", "River", "Robin", "Salmon", "Seal", "Sparrow", "Spruce",
    "Stone", "Stork", "Summit", "Swan", "Thistle", "Thrush", "Tiger", "Tulip", "Valley", "Walrus", "Willow", "Wren",
    "Yak", "Zebra",
];

/// A name for an agent that was given none: an adjective and a noun, like `GentleLizard`. Not unique.
pub fn generate() -> String {
    let mut rng = rand::rng();
    let mut pick = |words: &[&'static str]| words.choose(&mut rng).copied().unwrap_or_default();
    [pick(ADJECTIVES), pick(NOUNS)].concat()
}

/// Refuses a name that could not be the name of a file: everything but letters and digits of any language,
/// underscores, spaces, apostrophes and hyphens. An empty name is allowed.
///
/// # Errors
/// 422 on the field `name`.
pub fn validate(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | ' ' | '\'' | '-');
    if !name.chars().all(allowed) {
        return Err(invalid(format!(
            "Agent name '{name}' contains invalid characters. Only letters (any language), digits, spaces, hyphens, \
             underscores, and apostrophes are allowed. Please avoid filesystem-unsafe characters like: \
             / \\ : * ? \" < > |"
        )));
    }
    let length = name.chars().count();
    if length > MAX_LENGTH {
        return Err(invalid(format!("Agent name has {length} characters; at most {MAX_LENGTH} are allowed.")));
    }
    Ok(())
}

fn invalid(message: String) -> Error {
    Error::Unprocessable(vec![FieldError::body("name", message)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_name_is_two_capitalised_words_and_valid() {
        for _ in 0..100 {
            let name = generate();
            assert_eq!(name.chars().filter(|c| c.is_uppercase()).count(), 2, "{name}");
            validate(&name).unwrap();
        }
    }

    #[test]
    fn letters_of_any_language_are_names() {
        for name in ["", "Ada", "O'Brien", "my_agent-2", "Größe 7", "小さな助手", "Агент"] {
            validate(name).unwrap();
        }
    }

    #[test]
    fn characters_unsafe_in_file_names_are_refused_with_the_name_in_the_text() {
        for name in ["a/b", "a.b", "a\\b", "a:b", "a*b", "a?b", "a\"b", "<a>", "a|b", "a@b", "a\nb", "a\0b"] {
            let Err(Error::Unprocessable(fields)) = validate(name) else { panic!("{name:?} was accepted") };
            assert_eq!(fields[0].location, ["body", "name"]);
            assert!(fields[0].message.contains(name));
        }
        assert!(validate(&"x".repeat(MAX_LENGTH)).is_ok());
        assert!(validate(&"x".repeat(MAX_LENGTH + 1)).is_err());
    }
}
