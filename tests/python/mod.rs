//! Readers of other makers, which check what we write.

use std::path::Path;
use std::process::Command;

/// What a script that imports `modules` prints as JSON about the files of `dir`; `None` where no Python
/// has them.
pub fn read(modules: &str, script: &str, dir: &Path) -> Option<serde_json::Value> {
    let output = Command::new(with(modules)?)
        .args(["-c", script])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A Python that has `modules`: the one that HEARKEN_PYTHON names, which must have them, or the
/// system's, which may.
fn with(modules: &str) -> Option<String> {
    let named = std::env::var("HEARKEN_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".to_owned());
    let has = Command::new(&python)
        .args(["-c", &format!("import {modules}")])
        .output()
        .is_ok_and(|output| output.status.success());
    assert!(
        has || named.is_none(),
        "HEARKEN_PYTHON={python} cannot import {modules}"
    );
    if !has {
        eprintln!("not run: no python3 with {modules} here; HEARKEN_PYTHON names one");
    }
    has.then_some(python)
}
