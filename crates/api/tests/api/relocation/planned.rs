//! Plans that are made, as a conductor makes them.

use std::time::Duration;

use godwit_core::ids::PlanUuid;
use godwit_core::resources::AllocationRatios;
use godwit_core::time::Clock;
use godwit_facts::Basis;
use godwit_facts::planning::{fingerprint, planning, scope_of_plan};
use godwit_store::{Actor, ChangeNote, PlanMade};
use serde_json::json;

use crate::world::World;

impl World {
    /// A plan is made, as a conductor makes it.
    pub(super) async fn plan_is_made(&self, id: &str, mut made: PlanMade) {
        let found = self.store.plan_find(id.parse().unwrap(), None).await;
        let record = found.unwrap().unwrap().record;
        let (target, options) = (record.target, record.options);
        let scope = scope_of_plan(&target, &made.operations);
        let inventory = self.store.plan_inventory(scope).await.unwrap();
        let basis = Basis {
            now: self.clock.now(),
            down_time: Duration::from_secs(60),
            ratios: AllocationRatios::default(),
        };
        let fleet = planning(inventory, basis, false).unwrap().fleet;
        made.facts = json!(fingerprint(&fleet, (&target, &options), &made.operations));
        let note = ChangeNote::new(Actor::Conductor, self.clock.now());
        let id: PlanUuid = id.parse().unwrap();
        self.store.plan_made(id, made, note).await.unwrap();
    }
}
