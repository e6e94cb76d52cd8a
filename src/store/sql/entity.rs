//! The tables as sea-orm entities. The [`migrations`](super::migrations) create them.

pub(crate) mod service {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_service_config")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i64,
        pub(crate) service_name: String,
        pub(crate) generation: i64,
        pub(crate) salt: i64,
        pub(crate) slots: String,
        pub(crate) health_path: Option<String>,
        pub(crate) revision: i64,
        pub(crate) created_at: i64,
        pub(crate) updated_at: i64,
        pub(crate) epoch: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod version {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_service_version")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) service_id: i64,
        pub(crate) version: String,
        pub(crate) url: String,
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

pub(crate) mod change {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_split_change")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i64,
        pub(crate) service_id: i64,
        pub(crate) generation: i64,
        pub(crate) actor: String,
        pub(crate) reason: Option<String>,
        pub(crate) kind: String,
        pub(crate) version: Option<String>,
        pub(crate) split_before: String,
        pub(crate) split_after: String,
        pub(crate) changed_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

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
        pub(crate) asked: String,
        pub(crate) generation: Option<i64>,
        pub(crate) split: String,
        pub(crate) why: String,
        pub(crate) refused_at: i64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

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

pub(crate) mod replica {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "gateway_replica")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) id: String,
        pub(crate) name: String,
        pub(crate) revision: i64,
        /// By the database's clock.
        pub(crate) seen_at: i64,
        /// JSON; NULL if a gateway of an earlier release reported.
        pub(crate) draining: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
