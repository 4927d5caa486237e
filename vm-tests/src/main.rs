//! QEMU runner.
fn main() {}
