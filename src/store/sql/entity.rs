//! The tables as sea-orm entities. The [migrations](super::migrations()) create them.

/// A service: the aggregate that every change locks.
pub(crate) mod service {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_service_config")]
    pub(crate) struct Model {
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
        pub(crate) updated_at: i64,
        /// The pin epoch: cookies of an earlier one are no longer valid.
        pub(crate) epoch: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A version of a service.
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
        /// The base URL.
        pub(crate) url: String,
        /// In hundredths of a percent: 0 to 10,000, which a CHECK enforces.
        pub(crate) weight: i32,
        pub(crate) is_active: bool,
        /// The generation that registered the version. It orders versions, since two may share a millisecond.
        pub(crate) position: i64,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An entry of the history.
pub(crate) mod change {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_split_change")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i64,
        pub(crate) service_id: i64,
        /// The generation after the change. Unique per service.
        pub(crate) generation: i64,
        pub(crate) actor: String,
        pub(crate) reason: Option<String>,
        /// The word of `Change::kind`.
        pub(crate) kind: String,
        /// The version that the change names.
        pub(crate) version: Option<String>,
        /// The shares as JSON, with weights in hundredths of a percent.
        pub(crate) split_before: String,
        pub(crate) split_after: String,
        pub(crate) changed_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A change that was refused.
pub(crate) mod refusal {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_refused_change")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i64,
        /// The service need not exist.
        pub(crate) service_name: String,
        pub(crate) actor: String,
        pub(crate) reason: Option<String>,
        pub(crate) kind: String,
        pub(crate) version: Option<String>,
        /// The change in words.
        pub(crate) asked: String,
        /// The generation that was served. NULL: there was no such service.
        pub(crate) generation: Option<i64>,
        /// The shares that were served, as JSON.
        pub(crate) split: String,
        /// Why it was refused, and how to fix it.
        pub(crate) why: String,
        pub(crate) refused_at: i64,
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
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: i32,
        pub(crate) revision: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The last report of a gateway.
pub(crate) mod replica {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_replica")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        /// Chosen by the process at its start.
        pub(crate) id: String,
        pub(crate) name: String,
        /// The revision that it serves.
        pub(crate) revision: i64,
        /// By the clock of the database, since the clocks of the gateways differ.
        pub(crate) seen_at: i64,
        /// JSON; NULL if a gateway of an earlier release reported.
        pub(crate) draining: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
