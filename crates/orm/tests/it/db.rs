use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use muisti_orm::{DatabaseUrl, Db, DbConfig, Error, agents, organizations, schema::OrganizationId};
use muisti_testkit::TestDatabase;

use crate::support::{agent, on_both, url_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_migrate_once() {
    for database in TestDatabase::each() {
        let config = DbConfig::new(url_of(&database));
        let first = Db::open(&config).await.unwrap();
        assert!(!first.pending_migrations().await.unwrap().is_empty());
        let applied = Arc::new(AtomicUsize::new(0));
        let nodes: Vec<_> = (0..4)
            .map(|_| {
                let (config, applied) = (config.clone(), Arc::clone(&applied));
                tokio::spawn(async move {
                    let db = Db::open(&config).await.unwrap();
                    applied.fetch_add(db.migrate().await.unwrap().len(), Ordering::Relaxed);
                    assert_eq!(db.migrate().await.unwrap(), [""; 0]);
                })
            })
            .collect();
        for node in nodes {
            node.await.unwrap();
        }
        assert!(first.pending_migrations().await.unwrap().is_empty());
        let folder = if database.url().is_some() { "postgres" } else { "sqlite" };
        let migrations = std::fs::read_dir(format!("../../migrations/{folder}")).unwrap().count();
        assert_eq!(applied.load(Ordering::Relaxed), migrations);
    }
}

on_both! {
    async fn a_database_of_a_newer_version_is_left_alone(f) {
        f.sql("INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')");
        let error = f.db.migrate().await.unwrap_err().to_string();
        assert!(error.contains("29990101000000") && error.contains("newer version"), "{error}");
    }

    async fn an_error_rolls_the_transaction_back(f) {
        let id = OrganizationId::random();
        let result = f.attempt(move |conn, _| {
            organizations::ensure(conn, id, "gone")?;
            Err::<(), _>(Error::Nul)
        });
        assert!(matches!(result.await, Err(Error::Nul)));
        assert!(f.with(move |conn, _| organizations::get(conn, id)).await.is_none());
    }

    async fn a_panic_rolls_back_and_the_next_write_works(f) {
        for _ in 0..3 {
            let id = OrganizationId::random();
            let result: Result<(), Error> = f.db.write(move |conn| {
                organizations::ensure(conn, id, "gone")?;
                panic!("on purpose")
            }).await;
            assert!(matches!(result, Err(Error::Panicked)));
            assert!(f.with(move |conn, _| organizations::get(conn, id)).await.is_none());
        }
        let id = OrganizationId::random();
        f.with(move |conn, _| organizations::ensure(conn, id, "there")).await;
        let row = f.db.read(move |conn| organizations::get(conn, id)).await.unwrap().unwrap();
        assert_eq!(row.name, "there");
    }

    async fn a_write_is_finished_even_when_nobody_waits_for_it(f) {
        let id = OrganizationId::random();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (go_on, goes_on) = std::sync::mpsc::channel();
        let work = f.db.write(move |conn| {
            begin.send(()).unwrap();
            goes_on.recv().unwrap();
            organizations::ensure(conn, id, "there")
        });
        tokio::select! {
            _ = work => panic!("it cannot be done yet"),
            begun = begun => begun.unwrap(),
        }
        go_on.send(()).unwrap();
        // A write has to wait for the one that runs, on SQLite; PostgreSQL may need another moment.
        for _ in 0..3000 {
            if f.with(move |conn, _| organizations::get(conn, id)).await.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(f.with(move |conn, _| organizations::get(conn, id)).await.is_some());
    }

    async fn waiting_for_a_connection_ends_as_busy(f) {
        let config = DbConfig { pool_size: 1, acquire_timeout: Duration::from_secs(1), ..f.config.clone() };
        let db = Db::open(&config).await.unwrap();
        let (other, (started, wait), (go_on, goes_on)) =
            (db.clone(), tokio::sync::oneshot::channel(), std::sync::mpsc::channel());
        let slow = tokio::spawn(async move {
            other.read(move |_| {
                started.send(()).unwrap();
                goes_on.recv().unwrap();
                Ok::<_, Error>(())
            }).await
        });
        wait.await.unwrap();
        let result = db.read(|conn| organizations::get(conn, OrganizationId::random())).await;
        assert!(matches!(result, Err(Error::Busy(_))), "{result:?}");
        go_on.send(()).unwrap();
        slow.await.unwrap().unwrap();
        db.read(|conn| organizations::get(conn, OrganizationId::random())).await.unwrap();
    }

    async fn what_was_written_is_there_after_a_new_start(f) {
        let id = f.add_agent("Ada").await;
        let organization = f.actor.organization_id;
        let db = Db::open(&f.config).await.unwrap();
        assert_eq!(db.migrate().await.unwrap(), [""; 0]);
        assert_eq!(db.read(move |conn| agents::get(conn, organization, id)).await.unwrap().unwrap().name, "Ada");
    }

    async fn a_reference_to_a_row_that_is_not_there_is_told_as_such(f) {
        let mut row = agent(&f.actor, "Ada");
        row.organization_id = OrganizationId::random();
        let error = f.attempt(move |conn, _| agents::insert(conn, &row)).await.unwrap_err();
        assert!(matches!(error, Error::ForeignKey { .. }), "{error:?}");
        assert!(!error.to_string().to_lowercase().contains("insert"));
    }

    async fn a_lost_connection_is_replaced(f) {
        if matches!(f.config.url, DatabaseUrl::Postgres(_)) {
            f.with(|conn, actor| organizations::get(conn, actor.organization_id)).await;
            f.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()");
            // Each connection that was in use a moment ago may fail once.
            let mut failures = 0;
            while f.attempt(|conn, actor| organizations::get(conn, actor.organization_id)).await.is_err() {
                failures += 1;
                assert!(failures < 5);
            }
        }
    }
}

#[tokio::test]
async fn a_reader_of_sqlite_cannot_write() {
    let database = muisti_testkit::Backend::Sqlite.fresh();
    let db = Db::open(&DbConfig::new(url_of(&database))).await.unwrap();
    db.migrate().await.unwrap();
    let result = db.read(|conn| organizations::ensure(conn, OrganizationId::random(), "no")).await;
    assert!(matches!(result, Err(Error::Database(_))), "{result:?}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let url = "postgresql://user:secret@127.0.0.1:1/none".parse().unwrap();
    let error = Db::open(&DbConfig::new(url)).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1:1/none") && !error.contains("secret"), "{error}");
}
