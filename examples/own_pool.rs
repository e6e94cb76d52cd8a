//! An application's own sea-orm pool and migrations, with the tables of the store in the same database.
//!
//! `cargo run --example own_pool`
//!
//! The store uses the pool of the application and runs its own migrations, which have a migration table of their own. The
//! example uses SQLite in a temporary directory. PostgreSQL and MySQL work in the same way.

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::{DeriveMigrationName, MigrationTrait, SchemaManager};
use tower_canary::routing::Change;
use tower_canary::store::ChangeRequest;
use tower_canary::store::sql::{Migrations, SqlStore};
use tower_canary::{Deployments, NoVersionCheck, ServiceName};

type BoxError = Box<dyn std::error::Error>;

/// The migrations of the application.
struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        // To run the tables of the store in the same list, append `tower_canary::store::sql::migrations()` and open the
        // store with `Migrations::Manual`.
        vec![Box::new(CreateOrders)]
    }
}

#[derive(DeriveMigrationName)]
struct CreateOrders;

#[expect(elided_lifetimes_in_paths, reason = "the trait is declared so")]
#[async_trait::async_trait]
impl MigrationTrait for CreateOrders {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let create = "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL)";
        manager.get_connection().execute_unprepared(create).await.map(drop)
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let directory = tempfile::tempdir()?;
    let pool = Database::connect(format!("sqlite://{}/shop.db?mode=rwc", directory.path().display())).await?;
    Migrator::up(&pool, None).await?;
    pool.execute_unprepared("INSERT INTO orders (item) VALUES ('tea')").await?;

    // `Migrations::Auto` creates the tables of the store, and leaves all other tables alone.
    let store = SqlStore::with_connection(pool.clone(), Migrations::Auto).await?;
    let deployments = Deployments::start(store, NoVersionCheck).await?;
    let auth: ServiceName = "auth".parse()?;
    for version in ["v1.0", "v1.1"] {
        let register = Change::register(version.parse()?, "http://127.0.0.1:9001".parse()?);
        deployments.apply(&auth, ChangeRequest::new(register, "own_pool")).await?;
    }
    let ten_percent = Change::set_weight("v1.1".parse()?, "10".parse()?);
    deployments.apply(&auth, ChangeRequest::new(ten_percent, "own_pool")).await?;

    // A second start reads the same weights. `VerifyOnly` fails if a migration is missing, and changes nothing.
    let store = SqlStore::with_connection(pool.clone(), Migrations::VerifyOnly).await?;
    let restarted = Deployments::start(store, NoVersionCheck).await?;
    let route = restarted.handle().route("auth").ok_or("the service was not stored")?;
    for version in route.split().versions() {
        println!("auth {}: {} %", version.name, version.weight);
    }
    println!("orders: {}", select_text(&pool, "SELECT group_concat(item) FROM orders").await?);
    let tables = "SELECT group_concat(name, ' ') FROM sqlite_master WHERE type = 'table'";
    println!("tables: {}", select_text(&pool, tables).await?);
    Ok(())
}

async fn select_text(pool: &DatabaseConnection, select: &str) -> Result<String, BoxError> {
    let statement = Statement::from_string(pool.get_database_backend(), select);
    let row = pool.query_one_raw(statement).await?.ok_or("no row")?;
    Ok(row.try_get_by_index(0)?)
}
