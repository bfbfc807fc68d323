//! Conductors with real parts: stores on both databases, agents with simulated hypervisors, and
//! gRPC between them within the process.

#[macro_use]
mod cluster;
mod made;
mod process;
#[path = "../../../store/tests/store/released.rs"]
mod released;

mod as_asked;
mod bounds;
mod chaos;
mod cold;
mod crash;
mod dead_hosts;
mod ends;
mod evacuation;
mod faults;
mod groups;
mod link_budgets;
mod maintenance;
mod placing;
mod planned;
mod planning;
mod power;
mod puppet;
mod race;
mod recovery;
mod rehosting_faults;
mod reports;
mod retention;
mod rolling;
mod run_control;
mod run_crashes;
mod runs;
mod seen;
mod slots;
mod together;
mod undisturbed;
mod upgrade;
mod verdicts;
