//! How many tokens a text is to a model: counted where its vocabulary is public, estimated elsewhere.
//!
//! The vocabularies are part of the program and read at their first use, which takes a tenth of a second and some 45 MB.
//! Counting runs at tens of megabytes a second, so it is for decisions and overviews. What goes on all the time (is
//! there room for one more message?) goes by the usage that providers report.

use tiktoken_rs::{
    CoreBPE, cl100k_base_singleton, o200k_base_singleton,
    tokenizer::{Tokenizer, get_tokenizer},
};

/// The bytes that a token has on average, where nobody knows better.
const BYTES_PER_TOKEN: usize = 4;
/// What an estimate is multiplied with where too few would be worse than too many.
const CAUTION: f64 = 1.3;

/// Counts the tokens of texts as one model does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCounter {
    /// As the model itself does.
    Exact(Vocabulary),
    /// A quarter of the bytes.
    Estimate,
}

/// A vocabulary of OpenAI's models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// GPT-4o, GPT-4.1, GPT-5, the o models and gpt-oss.
    O200k,
    /// GPT-4 and GPT-3.5.
    Cl100k,
}

impl TokenCounter {
    /// The counter for a model, by the provider's name for it. What stands before a slash does not matter: the same
    /// model has the same tokens wherever it is served.
    #[must_use]
    pub fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        match get_tokenizer(name) {
            Some(Tokenizer::O200kBase | Tokenizer::O200kHarmony) => Self::Exact(Vocabulary::O200k),
            Some(Tokenizer::Cl100kBase) => Self::Exact(Vocabulary::Cl100k),
            _ => Self::Estimate,
        }
    }

    /// Whether it counts rather than estimates.
    #[must_use]
    pub const fn is_exact(self) -> bool {
        matches!(self, Self::Exact(_))
    }

    /// The tokens of a text.
    #[must_use]
    pub fn count(self, text: &str) -> i64 {
        let count = match self {
            Self::Exact(vocabulary) => vocabulary.words().count_ordinary(text),
            Self::Estimate => text.len().div_ceil(BYTES_PER_TOKEN),
        };
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    /// The tokens to reckon with where `counted` of them were counted: an estimate is taken three tenths higher.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a share of a count of tokens")]
    pub fn cautious(self, counted: i64) -> i64 {
        match self {
            Self::Exact(_) => counted,
            Self::Estimate => (counted as f64 * CAUTION) as i64,
        }
    }
}

impl Vocabulary {
    fn words(self) -> &'static CoreBPE {
        match self {
            Self::O200k => o200k_base_singleton(),
            Self::Cl100k => cl100k_base_singleton(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_its_name_wherever_it_is_served() {
        for name in ["gpt-4o-mini", "gpt-5", "o3", "openai/gpt-4.1", "gpt-oss-20b", "ft:gpt-4o:acme::1"] {
            assert_eq!(TokenCounter::of(name), TokenCounter::Exact(Vocabulary::O200k), "{name}");
        }
        assert_eq!(TokenCounter::of("gpt-4-0613"), TokenCounter::Exact(Vocabulary::Cl100k));
        for name in ["qwen3:8b", "llama-3.3-70b", "text-davinci-003", ""] {
            assert_eq!(TokenCounter::of(name), TokenCounter::Estimate, "{name}");
        }
    }

    #[test]
    fn known_texts_have_their_known_number_of_tokens() {
        // From the vocabularies' own documentation.
        assert_eq!(TokenCounter::of("gpt-4o").count("hello world"), 2);
        assert_eq!(TokenCounter::of("gpt-4").count("tiktoken is great!"), 6);
        assert_eq!(TokenCounter::of("gpt-4o").count(""), 0);
        // Words of control are text like any other.
        assert!(TokenCounter::of("gpt-4o").count("<|endoftext|>") > 1);
    }

    #[test]
    fn an_estimate_is_four_bytes_begun_and_caution_adds_three_tenths() {
        let counts = ["", "a", "abcd", "abcde", "ääää"].map(|text| TokenCounter::Estimate.count(text));
        assert_eq!(counts, [0, 1, 1, 2, 2]);
        assert_eq!(TokenCounter::Estimate.cautious(101), 131);
        assert_eq!(TokenCounter::of("gpt-4o").cautious(101), 101);
    }
}
