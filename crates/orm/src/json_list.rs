//! Texts in lists that are JSON columns.

use diesel::{
    expression::{AppearsOnTable, Expression, SelectableExpression, ValidGrouping, is_aggregate},
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{Array, Bool, Text},
    sqlite::Sqlite,
};

use crate::{Error, Result};

/// Whether the list in `column` has any of these texts. However many they are, it is one condition with one value.
pub(crate) fn has_any<E>(column: E, texts: &[String]) -> Result<HasAny<E>> {
    let json = serde_json::to_string(texts).map_err(|e| Error::Database(e.into()))?;
    Ok(HasAny { column, texts: texts.to_vec(), json })
}

/// The expression that [`has_any`] makes.
#[derive(Debug, Clone)]
pub(crate) struct HasAny<E> {
    column: E,
    texts: Vec<String>,
    json: String,
}

impl<E: Expression> Expression for HasAny<E> {
    type SqlType = Bool;
}

impl<E, QS> AppearsOnTable<QS> for HasAny<E> where E: AppearsOnTable<QS> {}
impl<E, QS> SelectableExpression<QS> for HasAny<E> where E: SelectableExpression<QS> {}

impl<E, GB> ValidGrouping<GB> for HasAny<E> {
    type IsAggregate = is_aggregate::Never;
}

impl<E> QueryId for HasAny<E> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<E: QueryFragment<Sqlite>> QueryFragment<Sqlite> for HasAny<E> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        // A row whose column is no JSON must not fail the others.
        out.push_sql("EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(");
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(") THEN ");
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" END) AS has WHERE has.value IN (SELECT wanted.value FROM json_each(");
        out.push_bind_param::<Text, _>(&self.json)?;
        out.push_sql(") AS wanted))");
        Ok(())
    }
}

impl<E: QueryFragment<Pg>> QueryFragment<Pg> for HasAny<E> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("CAST(");
        self.column.walk_ast(out.reborrow())?;
        out.push_sql(" AS JSONB) ?| ");
        out.push_bind_param::<Array<Text>, _>(&self.texts)?;
        Ok(())
    }
}
