//! A host is emptied over links that carry little, and for a while much less.

use anyhow::Result;
use serde_json::json;
use system_tests::shaped::Shaped;

const MIB: u64 = 1 << 20;
/// What a link for migrations carries, in bytes per second.
const RATE: u64 = 10 * MIB;

/// For some twenty seconds in the middle links carry 30 %: nothing is aborted for it, nobody is moved
/// twice.
#[test]
fn real_moves_go_on_when_links_carry_less_for_a_while() -> Result<()> {
    let mut shaped = Shaped::up(RATE, true, json!({}))?;
    let less = RATE * 3 / 10;
    let drained = shaped.drain(|shaped| {
        shaped.await_bytes(RATE * 5)?;
        shaped.shape(less)?;
        shaped.await_bytes(less * 20)?;
        shaped.shape(RATE)
    })?;
    println!("{drained:?}");
    Ok(())
}
