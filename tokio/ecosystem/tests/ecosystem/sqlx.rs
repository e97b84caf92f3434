//! sqlx on SQLite and on PostgreSQL: a pool, transactions, streams of rows, notifications.

use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{PgPool, SqlitePool};
use tokio::task::JoinSet;

use crate::on_heist;

const TASKS: i64 = 16;
const EACH: i64 = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_counts_in_transactions() {
    on_heist(async {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SqliteConnectOptions::new()
            .filename(folder.path().join("data"))
            .journal_mode(SqliteJournalMode::Wal)
            .create_if_missing(true);
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .expect("a database");
        sqlx::query("CREATE TABLE counts (task INTEGER NOT NULL, count INTEGER NOT NULL)")
            .execute(&pool)
            .await
            .expect("a table");
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(sqlite_task(pool.clone(), task));
        }
        tasks.join_all().await;
        let mut rows =
            sqlx::query_as::<_, (i64, i64)>("SELECT task, count FROM counts ORDER BY task")
                .fetch(&pool);
        for task in 0..TASKS {
            assert_eq!(rows.try_next().await.expect("a row"), Some((task, EACH)));
        }
        assert_eq!(rows.try_next().await.expect("an end"), None);
        drop(rows);
        pool.close().await;
    })
    .await;
}

async fn sqlite_task(pool: SqlitePool, task: i64) {
    let insert = sqlx::query("INSERT INTO counts VALUES (?, 0)").bind(task);
    insert.execute(&pool).await.expect("a row");
    for _ in 0..EACH {
        let mut transaction = pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .expect("a transaction");
        let (count,): (i64,) = sqlx::query_as("SELECT count FROM counts WHERE task = ?")
            .bind(task)
            .fetch_one(&mut *transaction)
            .await
            .expect("a count");
        let update = sqlx::query("UPDATE counts SET count = ? WHERE task = ?")
            .bind(count + 1)
            .bind(task);
        update.execute(&mut *transaction).await.expect("updated");
        transaction.commit().await.expect("committed");
    }
    // Is rolled back.
    let mut transaction = pool
        .begin_with("BEGIN IMMEDIATE")
        .await
        .expect("a transaction");
    sqlx::query("DELETE FROM counts")
        .execute(&mut *transaction)
        .await
        .expect("deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_counts_in_transactions() {
    on_heist(async {
        let server = crate::server::postgres().await;
        let options = PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(server.port)
            .username("tester")
            .database("postgres");
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .expect("a database");
        sqlx::query("CREATE TABLE counts (task BIGINT NOT NULL, count BIGINT NOT NULL)")
            .execute(&pool)
            .await
            .expect("a table");
        let mut listener = PgListener::connect_with(&pool).await.expect("a connection");
        listener.listen("done").await.expect("a channel");
        let mut tasks = JoinSet::new();
        for task in 0..TASKS {
            tasks.spawn(postgres_task(pool.clone(), task));
        }
        let mut done = Vec::new();
        for _ in 0..TASKS {
            let notification = listener.recv().await.expect("a notification");
            done.push(notification.payload().parse::<i64>().expect("a number"));
        }
        tasks.join_all().await;
        done.sort_unstable();
        assert_eq!(done, (0..TASKS).collect::<Vec<_>>());

        let mut rows =
            sqlx::query_as::<_, (i64, i64)>("SELECT task, count FROM counts ORDER BY task")
                .fetch(&pool);
        for task in 0..TASKS {
            assert_eq!(rows.try_next().await.expect("a row"), Some((task, EACH)));
        }
        drop(rows);
        let many = sqlx::query_scalar::<_, i64>("SELECT * FROM generate_series(1::BIGINT, 100000)")
            .fetch(&pool);
        let sum = many
            .try_fold(0, |sum, number| async move { Ok(sum + number) })
            .await
            .expect("rows");
        assert_eq!(sum, 100_000 * 100_001 / 2);

        drop(listener);
        pool.close().await;
        server.stop().await;
    })
    .await;
}

async fn postgres_task(pool: PgPool, task: i64) {
    let insert = sqlx::query("INSERT INTO counts VALUES ($1, 0)").bind(task);
    insert.execute(&pool).await.expect("a row");
    for _ in 0..EACH {
        let mut transaction = pool.begin().await.expect("a transaction");
        let (count,): (i64,) =
            sqlx::query_as("SELECT count FROM counts WHERE task = $1 FOR UPDATE")
                .bind(task)
                .fetch_one(&mut *transaction)
                .await
                .expect("a count");
        let update = sqlx::query("UPDATE counts SET count = $1 WHERE task = $2")
            .bind(count + 1)
            .bind(task);
        update.execute(&mut *transaction).await.expect("updated");
        transaction.commit().await.expect("committed");
    }
    // Is rolled back.
    let mut transaction = pool.begin().await.expect("a transaction");
    let delete = sqlx::query("DELETE FROM counts WHERE task = $1").bind(task);
    delete.execute(&mut *transaction).await.expect("deleted");
    drop(transaction);
    let notify = sqlx::query("SELECT pg_notify('done', $1)").bind(task.to_string());
    notify.execute(&pool).await.expect("notified");
}
