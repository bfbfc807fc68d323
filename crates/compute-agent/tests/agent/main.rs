//! An agent as its conductors see it: real gRPC within the process, a real journal, simulated
//! hypervisors. Time is tokio's and paused, so nothing here waits for anything but itself.

mod enrolment;
mod moves;
mod parties;
mod power;
mod restarts;
mod stalls;
