//! The program as its users meet it: started, asked over HTTP, stopped, killed, started again.

mod import;
mod process;
mod real_clients;
mod real_keystone;
mod refusals;
mod roles;
mod session;
mod up;
