//! Text in queries: case-insensitive substrings, and characters that cannot be stored.

use diesel::{
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate},
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Bool, Nullable, Text},
    sqlite::Sqlite,
};

diesel::define_sql_function! {
    /// Whether the text contains another one, which is in lower case. SQLite's own `LIKE` knows the cases of ASCII
    /// alone, and refuses patterns that are long.
    fn muisti_contains(text: Nullable<Text>, needle: Text) -> Bool;
}

/// Makes our functions known to a SQLite connection.
pub(crate) fn register(connection: &mut SqliteConnection) -> QueryResult<()> {
    muisti_contains_utils::register_impl(connection, |text: Option<String>, needle: String| {
        text.is_some_and(|text| text.to_lowercase().contains(&needle))
    })
}

/// Whether `column` contains `needle`, whatever the case of either; no character of it is a wildcard.
pub(crate) fn contains<E>(column: E, needle: &str) -> Contains<E> {
    Contains { column, pattern: pattern(needle), folded: needle.to_lowercase() }
}

/// The LIKE pattern of PostgreSQL for a substring, with `\` as escape.
pub(crate) fn pattern(needle: &str) -> String {
    let mut pattern = String::with_capacity(needle.len() + 2);
    pattern.push('%');
    for c in needle.chars() {
        if matches!(c, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The expression that [`contains`] makes.
#[derive(Debug, Clone)]
pub(crate) struct Contains<E> {
    column: E,
    pattern: String,
    folded: String,
}

impl<E: Expression> Expression for Contains<E> {
    type SqlType = Bool;
}

impl<E, QS> AppearsOnTable<QS> for Contains<E> where E: AppearsOnTable<QS> {}
impl<E, QS> SelectableExpression<QS> for Contains<E> where E: SelectableExpression<QS> {}

impl<E, GB> ValidGrouping<GB> for Contains<E> {
    type IsAggregate = is_aggregate::Never;
}

impl<E> QueryId for Contains<E> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<E: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Contains<E> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("muisti_contains(");
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.folded)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<E: QueryFragment<Pg>> QueryFragment<Pg> for Contains<E> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" ILIKE ");
        out.push_bind_param::<Text, _>(&self.pattern)?;
        out.push_sql(" ESCAPE '\\'");
        Ok(())
    }
}

/// How many words of a text are searched for.
const MOST_WORDS: usize = 32;

/// The words of a text, runs of letters and digits, as full-text search looks for them.
pub(crate) fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(MOST_WORDS).collect()
}

/// Any of the words, as SQLite's full-text index is asked.
pub(crate) fn any_in_sqlite(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" OR ")
}

/// Any of the words, as a tsquery of PostgreSQL.
pub(crate) fn any_in_postgres(words: &[&str]) -> String {
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" | ")
}

/// The text without NUL characters, which PostgreSQL cannot store.
pub(crate) fn clean(mut text: String) -> String {
    if text.contains('\0') {
        text.retain(|c| c != '\0');
    }
    text
}

/// [`clean`] for a text that may be absent.
pub(crate) fn clean_opt(text: Option<String>) -> Option<String> {
    text.map(clean)
}

/// A NUL character in a string of JSON text.
pub const NUL: &str = "\\u0000";

/// Takes the escaped NUL characters out of JSON text.
pub fn clean_json(json: String) -> String {
    if !json.contains(NUL) {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        // An escape is two characters, but for \uXXXX, of which only the NUL matters here. An escaped backslash must
        // be passed over as a whole: in `\\u0000` there is no NUL.
        if let Some(after) = escape.strip_prefix(NUL) {
            rest = after;
        } else {
            let (escape, after) = escape.split_at_checked(2).unwrap_or((escape, ""));
            out.push_str(escape);
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_needle_are_escaped() {
        assert_eq!(pattern(r"50%_a\b"), r"%50\%\_a\\b%");
    }

    #[test]
    fn nul_leaves_texts_and_json_but_an_escaped_backslash_stays() {
        assert_eq!(clean("a\0b\0".to_owned()), "ab");
        for text in ["a\0b", "\0", r"C:\u0000", "\\\0", "\"\0\n\u{1}ä"] {
            let json = serde_json::to_string(&[text]).unwrap();
            let back: Vec<String> = serde_json::from_str(&clean_json(json)).unwrap();
            assert_eq!(back, [text.replace('\0', "")]);
        }
    }
}
