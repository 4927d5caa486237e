//! Of both programs. The smaller one lives in an initramfs: packed relative relocations (DT_RELR) are 160 KB less of
//! it; glibc knows them from version 2.36 on, which is the oldest that these are built for. A release build
//! aborts on panic and needs no tables for unwinding: another 550 KB. Functions that are the same byte for byte are
//! one: no two of them are compared by their addresses, and it is 56 KB.

use std::path::Path;

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../boot/no-unwinding.ld");
    println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{script}");
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
        // What lies where, as "make size" counts it by crate: the program itself is stripped.
        let name = env!("CARGO_PKG_NAME");
        let out = std::env::var_os("OUT_DIR").unwrap_or_default();
        if let Some(beside) = Path::new(&out).ancestors().nth(3) {
            let map = beside.join(name).with_extension("map");
            println!("cargo:rustc-link-arg-bins=-Wl,-Map={}", map.display());
        }
    }
    println!("cargo:rerun-if-changed=../boot/build.rs");
    println!("cargo:rerun-if-changed=../boot/no-unwinding.ld");
}
