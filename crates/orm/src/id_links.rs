//! Tables that link things of two kinds, many to many, by their ids alone, and keep the order in which they were linked.

/// The functions of such a table, seen from one of its sides: `id_links!(table: owner_column Owner => other_column Other)`.
///
/// The caller has made sure that both sides are of one organization. The rows go with either side.
macro_rules! id_links {
    ($table:ident: $owner:ident $Owner:ty => $other:ident $Other:ty) => {
        use std::collections::HashMap;

        use diesel::prelude::*;

        use crate::{
            Conn, Result,
            connection::with_backend,
            row::changed,
            schema::{Timestamp, *},
            tables::$table,
        };

        /// Links these to the owner, in this order; those that are linked already stay where they are.
        pub fn attach(conn: &mut Conn, owner: $Owner, others: &[$Other]) -> Result<()> {
            if others.is_empty() {
                return Ok(());
            }
            let now = Timestamp::now().utc();
            let row = |(n, other): (i64, &$Other)| {
                (
                    $table::$owner.eq(owner.to_string()),
                    $table::$other.eq(other.to_string()),
                    // Times a microsecond apart keep the order.
                    $table::created_at.eq((now + chrono::Duration::microseconds(n)).naive_utc()),
                )
            };
            for row in (0..).zip(others).map(row) {
                with_backend!(conn, c => {
                    diesel::insert_into($table::table)
                        .values(row)
                        .on_conflict(($table::$owner, $table::$other))
                        .do_nothing()
                        .execute(c)
                })?;
            }
            Ok(())
        }

        /// Ends the link. False when there was none.
        pub fn detach(conn: &mut Conn, owner: $Owner, other: $Other) -> Result<bool> {
            let rows = with_backend!(conn, c => {
                diesel::delete(
                    $table::table
                        .filter($table::$owner.eq(owner.to_string()))
                        .filter($table::$other.eq(other.to_string())),
                )
                .execute(c)
            })?;
            Ok(changed(rows))
        }

        /// Makes these, in this order, the only ones that are linked to the owner.
        pub fn replace(conn: &mut Conn, owner: $Owner, others: &[$Other]) -> Result<()> {
            with_backend!(conn, c => {
                diesel::delete($table::table.filter($table::$owner.eq(owner.to_string()))).execute(c)
            })?;
            attach(conn, owner, others)
        }

        /// What is linked to each of these owners, in the order in which it was; one that has nothing is not in the
        /// map.
        pub fn load(conn: &mut Conn, owners: &[$Owner]) -> Result<HashMap<$Owner, Vec<$Other>>> {
            let mut map: HashMap<_, Vec<_>> = HashMap::new();
            if owners.is_empty() {
                return Ok(map);
            }
            let ids: Vec<String> = owners.iter().map(ToString::to_string).collect();
            let pairs: Vec<(String, String)> = with_backend!(conn, c => {
                $table::table
                    .filter($table::$owner.eq_any(&ids))
                    .order(($table::created_at, $table::$other))
                    .select(($table::$owner, $table::$other))
                    .load(c)
            })?;
            for (owner, other) in pairs {
                if let (Ok(owner), Ok(other)) = (owner.parse(), other.parse()) {
                    map.entry(owner).or_default().push(other);
                }
            }
            Ok(map)
        }
    };
}
pub(crate) use id_links;
