//! JSON columns, without a detour over generic values.

use std::fmt;

use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    serialize::{self, IsNull, Output, ToSql},
    sql_types,
    sqlite::{Sqlite, SqliteValue},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::text::clean_json;

/// A value that is written as JSON, without NUL characters. Read back it must have the form of `T`, or the row
/// cannot be loaded: for lists of rows that older versions or other programs wrote, read [`RawJson`].
#[derive(Debug, Clone, PartialEq, AsExpression, FromSqlRow)]
#[diesel(sql_type = sql_types::Json)]
pub struct Json<T: Serialize + DeserializeOwned + fmt::Debug>(pub T);

/// The text of a JSON column as it is stored, to be parsed row by row.
#[derive(Debug, Clone, PartialEq, Eq, FromSqlRow)]
pub struct RawJson(String);

impl RawJson {
    /// The value, if the text has the form of one.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.0)
    }
}

impl<T: Serialize + DeserializeOwned + fmt::Debug> ToSql<sql_types::Json, Pg> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        std::io::Write::write_all(out, clean_json(serde_json::to_string(&self.0)?).as_bytes())?;
        Ok(IsNull::No)
    }
}

impl<T: Serialize + DeserializeOwned + fmt::Debug> ToSql<sql_types::Json, Sqlite> for Json<T> {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(clean_json(serde_json::to_string(&self.0)?));
        Ok(IsNull::No)
    }
}

impl<T: Serialize + DeserializeOwned + fmt::Debug> FromSql<sql_types::Json, Pg> for Json<T> {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_slice(value.as_bytes())?))
    }
}

impl<T: Serialize + DeserializeOwned + fmt::Debug> FromSql<sql_types::Json, Sqlite> for Json<T> {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(serde_json::from_str(value.read_text())?))
    }
}

impl FromSql<sql_types::Json, Pg> for RawJson {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(str::from_utf8(value.as_bytes())?.to_owned()))
    }
}

impl FromSql<sql_types::Json, Sqlite> for RawJson {
    fn from_sql(mut value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        Ok(Self(value.read_text().to_owned()))
    }
}
