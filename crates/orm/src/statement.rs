//! Statements that are put together by hand, for what differs between the databases: full-text search above all.

use chrono::NaiveDateTime;
use diesel::{prelude::*, sql_types::BigInt};

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
