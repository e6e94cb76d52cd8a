//! The tables as sea-orm entities. The [migrations](super::migrations()) create them.
//!
//! One module per table. A number that the rules know as unsigned is stored signed, since no database has an
//! unsigned type that all three share: `to_signed` and `to_unsigned` convert, and a value above `i64::MAX` is
//! never reached by counting. A time is in milliseconds since the Unix epoch. JSON that the store reads ignores unknown
//! fields, so a later release can add some without a migration.
//!
//! Gateways of two releases use the tables together while they are updated one by one. So a column is never
//! removed or given another meaning, and a column that a later release added may be NULL in a row that an
//! earlier one wrote.

/// A service: the aggregate that every change locks.
///
/// A removed service keeps its row, with the generation that its next life continues. Only an edit by hand
/// deletes a row, and the versions, the history and the rollouts with it.
pub(crate) mod service {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_service_config")]
    pub(crate) struct Model {
        /// Assigned by the database, and never shown: other tables refer to it.
        #[sea_orm(primary_key)]
        pub(crate) id: i64,
        /// Unique.
        pub(crate) service_name: String,
        /// Counts the changes of this service.
        pub(crate) generation: i64,
        /// The bits of an unsigned number, fixed when the service is created.
        pub(crate) salt: i64,
        /// The slot map as `Display` writes it, for example `v1.0:9000,v1.1:1000`.
        pub(crate) slots: String,
        /// The path of the health check. NULL: the base URL is requested.
        pub(crate) health_path: Option<String>,
        /// The store's revision of the last change. Indexed: a refresh selects by it.
        pub(crate) revision: i64,
        /// In milliseconds since the Unix epoch, like each time here.
        pub(crate) created_at: i64,
        /// The time of the last change, by the clock of the gateway that made it.
        pub(crate) updated_at: i64,
        /// The pin epoch: cookies of an earlier one are no longer valid.
        pub(crate) epoch: i64,
        /// Who changed the service last, and whether that removed it: JSON with the generation that it is about, since a
        /// gateway of an earlier release leaves the column as it is. NULL: unknown.
        pub(crate) last_change: Option<String>,
        /// Which version gets copies of requests, as JSON with its id. NULL: none.
        pub(crate) mirror: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A version of a service: one row for each version of the split.
///
/// A change that removes the version deletes its row. The history then has its name, its URLs and its weights, but not
/// its id.
pub(crate) mod version {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_service_version")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        /// A UUID. A version that is removed and registered again has another one.
        pub(crate) id: String,
        /// The rows of a service are deleted with it.
        pub(crate) service_id: i64,
        /// Unique per service.
        pub(crate) version: String,
        /// The first base URL. A gateway of an earlier release serves this one, and may replace it.
        pub(crate) url: String,
        /// In hundredths of a percent: 0 to 10,000, which a CHECK enforces.
        pub(crate) weight: i32,
        /// Whether the version may be chosen. An inactive one has weight 0.
        pub(crate) is_active: bool,
        /// The generation that registered the version, or a later one of the same write. It orders versions, since two
        /// may share a millisecond.
        pub(crate) position: i64,
        /// When the version was registered, by the clock of the gateway.
        pub(crate) created_at: i64,
        /// When its URLs, its weight or its active flag last changed.
        pub(crate) updated_at: i64,
        /// The base URLs after the first, as a JSON array. NULL: the version has one.
        pub(crate) more_urls: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An entry of the history: one row for each change that was made, inserted in its transaction.
///
/// A row is never updated. Rows are deleted with their service and, from the oldest on, under
/// [`with_history_limit`](super::SqlStore::with_history_limit).
pub(crate) mod change {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_split_change")]
    pub(crate) struct Model {
        /// Assigned by the database. It orders the changes of all services.
        #[sea_orm(primary_key)]
        pub(crate) id: i64,
        /// The rows of a service are deleted with it.
        pub(crate) service_id: i64,
        /// The generation after the change. Unique per service.
        pub(crate) generation: i64,
        /// Who made the change: at most 255 characters, as the authenticator names them.
        pub(crate) actor: String,
        /// NULL: none was given.
        pub(crate) reason: Option<String>,
        /// The word of `Change::kind`.
        pub(crate) kind: String,
        /// The version that the change names.
        pub(crate) version: Option<String>,
        /// The shares as JSON, with weights in hundredths of a percent and the base URLs.
        pub(crate) split_before: String,
        /// The same after the change.
        pub(crate) split_after: String,
        /// By the clock of the gateway that made the change.
        pub(crate) changed_at: i64,
        /// The sender and the settings of the service before and after, as JSON. NULL: an earlier release made the change.
        pub(crate) details: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A change that was refused. The newest [`Refusal::RETAINED`](crate::store::Refusal::RETAINED) of all services stay.
///
/// The row is inserted in a transaction of its own, after that of the change was rolled back.
pub(crate) mod refusal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_refused_change")]
    pub(crate) struct Model {
        /// Assigned by the database. A page goes back by it.
        #[sea_orm(primary_key)]
        pub(crate) id: i64,
        /// The service need not exist.
        pub(crate) service_name: String,
        /// Who requested the change, truncated to 255 characters.
        pub(crate) actor: String,
        /// NULL: none was given.
        pub(crate) reason: Option<String>,
        /// The word of `Change::kind`.
        pub(crate) kind: String,
        /// The version that the change names. It need not exist.
        pub(crate) version: Option<String>,
        /// The change in words.
        pub(crate) asked: String,
        /// The generation that was served. NULL: there was no such service.
        pub(crate) generation: Option<i64>,
        /// The shares that were served, as JSON.
        pub(crate) split: String,
        /// Why it was refused, and how to fix it.
        pub(crate) why: String,
        /// By the clock of the gateway that refused it.
        pub(crate) refused_at: i64,
        /// The sender, as JSON. NULL: an earlier release recorded the refusal.
        pub(crate) details: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The revision of the store: a table with one row, which every change locks last.
pub(crate) mod revision {
    use sea_orm::entity::prelude::*;

    /// The id of the only row.
    pub(crate) const ONLY: i32 = 1;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_revision")]
    pub(crate) struct Model {
        /// Always [`ONLY`].
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: i32,
        /// Counts the changes of the whole store. Gateways poll it, and load the services above the last one that they have seen.
        pub(crate) revision: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The last report of a gateway: one row for each process with a replica name.
///
/// A process replaces its row with each report and deletes it when it stops. Without a report for
/// [`Replica::EXPIRY`](crate::store::Replica::EXPIRY) it is no longer read, and a report of another process deletes it.
pub(crate) mod replica {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_replica")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        /// Chosen by the process at its start.
        pub(crate) id: String,
        /// The name that the operator gave it. Processes of one name succeed each other.
        pub(crate) name: String,
        /// The revision that it serves.
        pub(crate) revision: i64,
        /// By the clock of the database, since the clocks of the gateways differ.
        pub(crate) seen_at: i64,
        /// JSON; NULL if a gateway of an earlier release reported.
        pub(crate) draining: Option<String>,
        /// NULL if the gateway reports none.
        pub(crate) admin_url: Option<String>,
        /// JSON; NULL if a gateway of an earlier release reported. It cannot read more in `draining`.
        pub(crate) draining_urls: Option<String>,
        /// The figures of its versions, as the gateway wrote them. NULL if no service has a rollout.
        pub(crate) figures: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A rollout. Of those that are over, a service keeps the last
/// [`StoredRollout::RETAINED`](crate::store::StoredRollout::RETAINED).
///
/// Each write names the turn that it has read: of two gateways that both lead, the later one finds no such row.
pub(crate) mod rollout {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_rollout")]
    pub(crate) struct Model {
        /// Assigned by the database. It orders the rollouts of all services, and a page goes back by it.
        #[sea_orm(primary_key)]
        pub(crate) number: i64,
        /// Unique. Chosen by the gateway that starts the rollout.
        pub(crate) id: String,
        /// The rows of a service are deleted with it.
        pub(crate) service_id: i64,
        /// Unique: the service while the rollout is not over, and NULL from then on. So a service has one at a time.
        pub(crate) active_of: Option<i64>,
        /// The name of the version that the rollout is about.
        pub(crate) canary: String,
        /// Its id: a version that was registered again under the name is another one.
        pub(crate) canary_id: String,
        /// JSON that the store does not read, like `state` and `evidence`.
        pub(crate) plan: String,
        /// The state of the machine between two turns.
        pub(crate) state: String,
        /// The figures that the guard has gathered. NULL: none yet.
        pub(crate) evidence: Option<String>,
        /// The phase in one word, for lists. The state has it too.
        pub(crate) phase: String,
        /// The number of the stage, from 1. 0: none was entered.
        pub(crate) step: i32,
        /// How it ended, in one word. NULL: it is not over.
        pub(crate) outcome: Option<String>,
        /// Why it is in this phase, in words.
        pub(crate) why: Option<String>,
        /// Counts the writes. Each names the one that it has read.
        pub(crate) turn: i64,
        /// The generation of the service at the start.
        pub(crate) start_generation: i64,
        /// The generation after the last change that the rollout made.
        pub(crate) generation: i64,
        /// The id of a replica.
        pub(crate) leader: Option<String>,
        /// By the clock of the database, like each time here.
        pub(crate) lease_until: Option<i64>,
        /// When its leader last wrote.
        pub(crate) ticked_at: i64,
        /// In milliseconds.
        pub(crate) held: i64,
        /// Who started it.
        pub(crate) actor: String,
        /// What kind of sender that was, in one word.
        pub(crate) actor_kind: Option<String>,
        /// Why it was started. NULL: none was given.
        pub(crate) reason: Option<String>,
        /// When it was started.
        pub(crate) created_at: i64,
        /// When it ended. NULL: it is not over.
        pub(crate) over_at: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An event of a rollout. The write of a turn inserts its events, and they are never updated.
pub(crate) mod rollout_event {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_rollout_event")]
    pub(crate) struct Model {
        /// Assigned by the database.
        #[sea_orm(primary_key)]
        pub(crate) id: i64,
        /// The number of the rollout, with which the row is deleted.
        pub(crate) rollout: i64,
        /// The turn of the write that recorded it.
        pub(crate) turn: i64,
        /// Unique per rollout and turn.
        pub(crate) position: i32,
        /// By the clock of the database.
        pub(crate) at: i64,
        /// The kind of event in one word.
        pub(crate) kind: String,
        /// The number of the stage at that time.
        pub(crate) step: i32,
        /// Who caused it. NULL: the rollout itself.
        pub(crate) actor: Option<String>,
        /// The event in words.
        pub(crate) text: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
