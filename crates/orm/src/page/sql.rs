//! The conditions and orders of pages, in SQL that both databases understand and answer from an index.

use chrono::NaiveDateTime;
use diesel::{
    backend::Backend,
    expression::{AppearsOnTable, Expression, ValidGrouping, is_aggregate},
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    serialize::ToSql,
    sql_types::{BigInt, Bool, HasSqlType, SqlType, Text, Timestamp, is_nullable},
};

use super::{Key, Order, Value};

/// Whether a column can be null, as a value.
pub(crate) trait Nullability {
    const NULLABLE: bool;
}

impl Nullability for is_nullable::NotNull {
    const NULLABLE: bool = false;
}

impl Nullability for is_nullable::IsNullable {
    const NULLABLE: bool = true;
}

/// Databases that can bind what pages compare with.
pub(crate) trait PageBackend: Backend + HasSqlType<Timestamp> + HasSqlType<BigInt> + HasSqlType<Text> {}

impl<DB: Backend + HasSqlType<Timestamp> + HasSqlType<BigInt> + HasSqlType<Text>> PageBackend for DB {}

/// The rows between two keys.
#[derive(Debug, Clone)]
pub(crate) struct InRange<V, I> {
    pub(super) value: V,
    pub(super) id: I,
    pub(super) after: Option<Key>,
    pub(super) before: Option<Key>,
    pub(super) order: Order,
}

/// The order of a listing, or its reverse.
#[derive(Debug, Clone)]
pub(crate) struct Sorted<V, I> {
    pub(super) value: V,
    pub(super) id: I,
    pub(super) order: Order,
    pub(super) nulls_first: bool,
}

macro_rules! expression {
    ($name:ident) => {
        impl<V: Expression, I: Expression> Expression for $name<V, I> {
            type SqlType = Bool;
        }

        impl<V: AppearsOnTable<QS>, I: AppearsOnTable<QS>, QS> AppearsOnTable<QS> for $name<V, I> {}

        impl<V, I, GB> ValidGrouping<GB> for $name<V, I> {
            type IsAggregate = is_aggregate::Never;
        }

        impl<V, I> QueryId for $name<V, I> {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }
    };
}
expression!(InRange);
expression!(Sorted);

impl<V, I, DB> QueryFragment<DB> for InRange<V, I>
where
    DB: PageBackend,
    V: QueryFragment<DB> + Expression<SqlType: SqlType<IsNull: Nullability>>,
    I: QueryFragment<DB>,
    NaiveDateTime: ToSql<Timestamp, DB>,
    i64: ToSql<BigInt, DB>,
    String: ToSql<Text, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let nullable = <<V::SqlType as SqlType>::IsNull as Nullability>::NULLABLE;
        match (&self.after, &self.before) {
            (None, None) => out.push_sql("1 = 1"),
            (Some(after), None) => self.follows(after, nullable, out)?,
            (None, Some(before)) => self.precedes(before, nullable, out)?,
            (Some(after), Some(before)) => {
                self.follows(after, nullable, out.reborrow())?;
                out.push_sql(" AND ");
                self.precedes(before, nullable, out)?;
            }
        }
        Ok(())
    }
}

impl<V, I> InRange<V, I> {
    /// The rows behind `key` in the listing. Rows without a value are behind all that have one.
    fn follows<'b, DB>(&'b self, key: &'b Key, nullable: bool, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: PageBackend,
        V: QueryFragment<DB>,
        I: QueryFragment<DB>,
        NaiveDateTime: ToSql<Timestamp, DB>,
        i64: ToSql<BigInt, DB>,
        String: ToSql<Text, DB>,
    {
        let sign = match self.order {
            Order::Asc => " > ",
            Order::Desc => " < ",
        };
        out.push_sql("(");
        if key.value == Value::Null {
            self.value.walk_ast(out.reborrow())?;
            out.push_sql(" IS NULL AND ");
            self.compare_id(key, sign, out.reborrow())?;
        } else {
            self.compare(key, sign, out.reborrow())?;
            if nullable {
                out.push_sql(" OR ");
                self.value.walk_ast(out.reborrow())?;
                out.push_sql(" IS NULL");
            }
        }
        out.push_sql(")");
        Ok(())
    }

    /// The rows ahead of `key` in the listing.
    fn precedes<'b, DB>(&'b self, key: &'b Key, nullable: bool, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: PageBackend,
        V: QueryFragment<DB>,
        I: QueryFragment<DB>,
        NaiveDateTime: ToSql<Timestamp, DB>,
        i64: ToSql<BigInt, DB>,
        String: ToSql<Text, DB>,
    {
        let sign = match self.order {
            Order::Asc => " < ",
            Order::Desc => " > ",
        };
        out.push_sql("(");
        if key.value == Value::Null {
            if nullable {
                self.value.walk_ast(out.reborrow())?;
                out.push_sql(" IS NOT NULL OR ");
            }
            self.compare_id(key, sign, out.reborrow())?;
        } else {
            // A row without a value makes the comparison null: it is left out, as it should be.
            self.compare(key, sign, out.reborrow())?;
        }
        out.push_sql(")");
        Ok(())
    }

    /// `(value, id) > (?, ?)`, which an index on both answers with one seek.
    fn compare<'b, DB>(&'b self, key: &'b Key, sign: &str, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: PageBackend,
        V: QueryFragment<DB>,
        I: QueryFragment<DB>,
        NaiveDateTime: ToSql<Timestamp, DB>,
        i64: ToSql<BigInt, DB>,
        String: ToSql<Text, DB>,
    {
        out.push_sql("(");
        self.value.walk_ast(out.reborrow())?;
        out.push_sql(", ");
        self.id.walk_ast(out.reborrow())?;
        out.push_sql(")");
        out.push_sql(sign);
        out.push_sql("(");
        match &key.value {
            Value::Null => out.push_sql("NULL"),
            Value::Time(time) => out.push_bind_param::<Timestamp, _>(time)?,
            Value::Number(number) => out.push_bind_param::<BigInt, _>(number)?,
        }
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&key.id)?;
        out.push_sql(")");
        Ok(())
    }

    fn compare_id<'b, DB>(&'b self, key: &'b Key, sign: &str, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()>
    where
        DB: PageBackend,
        I: QueryFragment<DB>,
        String: ToSql<Text, DB>,
    {
        self.id.walk_ast(out.reborrow())?;
        out.push_sql(sign);
        out.push_bind_param::<Text, _>(&key.id)
    }
}

impl<V, I, DB> QueryFragment<DB> for Sorted<V, I>
where
    DB: Backend,
    V: QueryFragment<DB> + Expression<SqlType: SqlType<IsNull: Nullability>>,
    I: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let direction = match self.order {
            Order::Asc => " ASC",
            Order::Desc => " DESC",
        };
        self.value.walk_ast(out.reborrow())?;
        out.push_sql(direction);
        if <<V::SqlType as SqlType>::IsNull as Nullability>::NULLABLE {
            out.push_sql(if self.nulls_first { " NULLS FIRST" } else { " NULLS LAST" });
        }
        out.push_sql(", ");
        self.id.walk_ast(out.reborrow())?;
        out.push_sql(direction);
        Ok(())
    }
}
