# task: write a small Rust program with a test
# needs: cargo rustc gcc

export CARGO_HOME=$PWD/.cargo-home
cargo init --quiet --name tally --vcs none .
cat > src/main.rs <<'EOF'
fn tally(text: &str) -> usize { text.split_whitespace().count() }
fn main() { println!("{}", tally("one two three")); }
#[cfg(test)]
mod tests { #[test] fn counts() { assert_eq!(super::tally("a b"), 2); } }
EOF
cargo build --offline
cargo test --offline --quiet
cargo run --offline --quiet
cargo build --release --offline
cargo check --offline
cargo fmt --check || true
cargo clean
rustc --version
rustc -O -o tally src/main.rs
./tally
