//! Throw-away databases are fresh and go away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::net::TcpStream;

use muisti_testkit::{Backend, TestDatabase};

#[test]
fn each_kind_has_its_own_place() {
    let databases = TestDatabase::each();
    assert_eq!(databases[0].backend(), Backend::Sqlite);
    assert_eq!(databases[0].url(), None);
    for database in &databases {
        assert!(database.data_dir().is_dir());
    }
    let directory = databases[0].data_dir().to_owned();
    drop(databases);
    assert!(!directory.exists());
}

#[test]
fn postgres_databases_are_many_and_reachable_over_tcp() {
    if !Backend::all().contains(&Backend::Postgres) {
        return;
    }
    let databases: Vec<_> = (0..3).map(|_| Backend::Postgres.fresh()).collect();
    let urls: Vec<_> = databases.iter().map(|database| database.url().unwrap()).collect();
    assert_ne!(urls[0], urls[1]);
    if std::env::var_os("TEST_DATABASE_URL").is_none() {
        let address = urls[0].split('@').nth(1).unwrap().split('/').next().unwrap();
        assert!(TcpStream::connect(address).is_ok());
    }
}
