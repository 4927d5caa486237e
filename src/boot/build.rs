//! Of both programs: one lives in an initramfs. Packed relative relocations (DT_RELR) are 160 KB less of it; glibc
//! knows them from version 2.36 on, which is the oldest that this program is built for. A release build
//! aborts on panic and needs no tables for unwinding: another 550 KB.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../boot/no-unwinding.ld");
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{script}");
    }
    println!("cargo:rerun-if-changed=../boot/build.rs");
    println!("cargo:rerun-if-changed=../boot/no-unwinding.ld");
}
