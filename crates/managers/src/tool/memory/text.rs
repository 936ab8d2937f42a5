//! Finding text in a block, and keeping display line numbers out of it.

use std::ops::Range;

use super::MemoryError;
use crate::prompt::LINE_NUMBER_BANNER;

/// The columns from one tab stop to the next.
const TAB: usize = 8;

/// Refuses a text that was copied together with the line numbers or the banner of the prompt.
pub(super) fn refuse_line_numbers(argument: &str, text: &str) -> Result<(), MemoryError> {
    if text.split('\n').any(is_numbered) {
        return Err(MemoryError(format!(
            "{argument} contains a line number prefix, which is not allowed. The numbers and arrows are only for \
             display: give the text without them."
        )));
    }
    if text.contains(LINE_NUMBER_BANNER) {
        return Err(MemoryError(format!(
            "{argument} contains a line number warning, which is not allowed. The warning is not part of the block: \
             give the text without it."
        )));
    }
    Ok(())
}

/// Whether the line begins as the prompt shows it: spaces, a number, an arrow.
fn is_numbered(line: &str) -> bool {
    let line = line.trim_start_matches([' ', '\t']);
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    rest.len() < line.len() && rest.starts_with('→')
}

/// Where `needle` is in `text`, as byte ranges that do not overlap. If it is nowhere as it stands, tabs and
/// the spaces up to their stops count as the same.
pub(super) fn find(text: &str, needle: &str) -> Vec<Range<usize>> {
    let exact: Vec<Range<usize>> = text.match_indices(needle).map(|(at, found)| at..at + found.len()).collect();
    if !exact.is_empty() || !(text.contains('\t') || needle.contains('\t')) {
        return exact;
    }
    let (text, origin) = expand_tabs(text);
    let (needle, _) = expand_tabs(needle);
    let original = |at: usize| origin.get(at).copied().flatten();
    text.match_indices(&needle).filter_map(|(at, found)| Some(original(at)?..original(at + found.len())?)).collect()
}

/// Whether two lines are the same but for tabs and spaces.
pub(super) fn same_line(a: &str, b: &str) -> bool {
    a == b || expand_tabs(a).0 == expand_tabs(b).0
}

/// The numbers, from 1, of the lines that contain `needle`; none when it spans lines.
pub(super) fn lines_with(text: &str, needle: &str) -> Vec<usize> {
    let lines = text.split('\n').zip(1..);
    lines.filter(|(line, _)| !find(line, needle).is_empty()).map(|(_, number)| number).collect()
}

/// The text with tabs as spaces, and for each byte of it (and its end) the place in the original that it
/// begins at, if one does.
fn expand_tabs(text: &str) -> (String, Vec<Option<usize>>) {
    let mut expanded = String::with_capacity(text.len());
    let mut origin = Vec::with_capacity(text.len() + 1);
    let mut column = 0;
    for (at, c) in text.char_indices() {
        origin.push(Some(at));
        if c == '\t' {
            let width = TAB - column % TAB;
            expanded.extend(std::iter::repeat_n(' ', width));
            column += width;
        } else {
            expanded.push(c);
            column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
        }
        origin.resize(expanded.len(), None);
    }
    origin.push(Some(text.len()));
    (expanded, origin)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbered_lines_and_the_banner_are_refused() {
        for text in ["1→ a", "a\n  12→b", "\t3→", "7→"] {
            let error = refuse_line_numbers("new_string", text).unwrap_err();
            assert!(error.0.starts_with("new_string contains a line number prefix, which is not allowed."), "{text}");
        }
        let error = refuse_line_numbers("patch", &format!("x {LINE_NUMBER_BANNER} y")).unwrap_err();
        assert!(error.0.starts_with("patch contains a line number warning, which is not allowed."));
        for text in ["", "→", "1 → a", "a 1→ b", "10: a", "x1→"] {
            assert!(refuse_line_numbers("new_string", text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_tab_matches_the_spaces_up_to_its_stop() {
        assert_eq!(find("\tfoo", "        foo").as_slice(), std::slice::from_ref(&(0..4)));
        assert_eq!(find("        foo", "\tfoo").as_slice(), std::slice::from_ref(&(0..11)));
        // Half a tab cannot be replaced.
        assert!(find("\tfoo", "  foo").is_empty());
        // What is there as it stands is not searched for any further.
        assert_eq!(find("\tfoo\n        foo", "\tfoo").as_slice(), std::slice::from_ref(&(0..4)));
    }

    proptest! {
        #[test]
        fn what_is_found_exactly_is_what_a_plain_search_finds(text in "[ab\t \n]{0,30}", needle in "[ab\t \n]{1,4}") {
            let plain: Vec<_> = text.match_indices(&needle).map(|(at, s)| at..at + s.len()).collect();
            if !plain.is_empty() {
                prop_assert_eq!(find(&text, &needle), plain);
            }
        }

        #[test]
        fn a_found_place_is_a_piece_of_the_text_that_reads_the_same(text in "[aé\t \n]{0,30}", needle in "[aé\t \n]{1,6}") {
            for place in find(&text, &needle) {
                prop_assert!(text.get(place).is_some());
            }
        }
    }
}
