//! Prints the sample policy file: `cargo run -p godwit-policy --example sample > policy.yaml`.

fn main() {
    print!(
        "{}",
        godwit_policy::sample::render(godwit_policy::registry::RULES)
    );
}
