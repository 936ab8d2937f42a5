//! Statements that are put together by hand, for what differs between the databases: full-text search above all.

use chrono::NaiveDateTime;
use diesel::{pg::Pg, prelude::*, sql_types::BigInt, sqlite::Sqlite};

use crate::{
    Conn, Result,
    connection::Backend,
    text::{any_in_postgres, any_in_sqlite},
};

/// The place of a row that a statement has found.
#[derive(QueryableByName)]
pub(crate) struct Hit {
    #[diesel(sql_type = BigInt)]
    pub(crate) sequence_id: i64,
}

/// A value in a statement.
pub(crate) enum Bind {
    Text(String),
    Time(NaiveDateTime),
    Number(i64),
}

/// The conditions of a statement, and the values in it.
pub(crate) struct Conditions {
    /// Each begins with ` AND `.
    pub(crate) sql: String,
    pub(crate) binds: Vec<Bind>,
    /// Whether parameters have numbers.
    numbered: bool,
}

impl Conditions {
    pub(crate) const fn of_sqlite() -> Self {
        Self { sql: String::new(), binds: Vec::new(), numbered: false }
    }

    pub(crate) const fn of_postgres() -> Self {
        Self { sql: String::new(), binds: Vec::new(), numbered: true }
    }

    /// The place of a new parameter.
    pub(crate) fn bind(&mut self, value: Bind) -> String {
        self.binds.push(value);
        if self.numbered { format!("${}", self.binds.len()) } else { "?".to_owned() }
    }

    /// The places of new parameters, as a list.
    pub(crate) fn bind_all(&mut self, values: impl IntoIterator<Item = Bind>) -> String {
        let places: Vec<String> = values.into_iter().map(|value| self.bind(value)).collect();
        places.join(", ")
    }

    /// Demands of a column that it compares so with a value.
    pub(crate) fn and(&mut self, column_and_operator: &str, value: Bind) {
        let place = self.bind(value);
        self.sql += &format!(" AND {column_and_operator} {place}");
    }
}

/// Runs a statement with its values, and gives the places that it finds.
macro_rules! hits {
    ($DB:ty, $c:expr, $sql:expr, $binds:expr) => {{
        let mut statement = diesel::sql_query($sql).into_boxed::<$DB>();
        for bind in $binds {
            statement = match bind {
                $crate::statement::Bind::Text(text) => statement.bind::<diesel::sql_types::Text, _>(text),
                $crate::statement::Bind::Time(time) => statement.bind::<diesel::sql_types::Timestamp, _>(time),
                $crate::statement::Bind::Number(number) => statement.bind::<diesel::sql_types::BigInt, _>(number),
            };
        }
        let hits: Vec<$crate::statement::Hit> = statement.load($c)?;
        hits.into_iter().map(|hit| hit.sequence_id).collect::<Vec<i64>>()
    }};
}
pub(crate) use hits;

/// A table with a full-text index.
pub(crate) struct Index {
    pub(crate) table: &'static str,
    /// How the conditions call the table.
    pub(crate) alias: &'static str,
    /// What decides between equals.
    pub(crate) order: &'static str,
}

/// The best hits of an index for any of these words that meet what is demanded, best first, at most `limit`.
pub(crate) fn ranked(
    conn: &mut Conn,
    index: &Index,
    words: &[&str],
    limit: i64,
    demand: impl Fn(&mut Conditions),
) -> Result<Vec<i64>> {
    let Index { table, alias, order } = index;
    let conditions = |mut with: Conditions, words: String| {
        let text = with.bind(Bind::Text(words));
        demand(&mut with);
        let limit = with.bind(Bind::Number(limit.max(0)));
        (text, limit, with)
    };
    Ok(match conn.backend() {
        Backend::Sqlite(c) => {
            let (text, limit, with) = conditions(Conditions::of_sqlite(), any_in_sqlite(words));
            let sql = format!(
                "SELECT {alias}.sequence_id FROM {table}_fts f JOIN {table} {alias} ON {alias}.sequence_id = f.rowid \
                 WHERE {table}_fts MATCH {text}{} ORDER BY f.rank, {order} LIMIT {limit}",
                with.sql
            );
            hits!(Sqlite, c, sql, with.binds)
        }
        Backend::Postgres(c) => {
            let (text, limit, with) = conditions(Conditions::of_postgres(), any_in_postgres(words));
            let sql = format!(
                "SELECT {alias}.sequence_id FROM {table} {alias}, to_tsquery('simple', {text}) q \
                 WHERE {alias}.search_vector @@ q{} \
                 ORDER BY ts_rank({alias}.search_vector, q) DESC, {order} LIMIT {limit}",
                with.sql
            );
            hits!(Pg, c, sql, with.binds)
        }
    })
}
