//! The program as its users meet it: started, asked over HTTP, stopped, killed, started again.

mod client;
mod client_commands;
mod client_waits;
mod doctor;
mod import;
mod plans;
mod process;
mod real_clients;
mod real_keystone;
mod real_operators;
mod refusals;
mod roles;
mod scripted;
mod scripts;
mod session;
mod terminal;
mod up;
