//! Experiments that start from what others have trained: all of them, in the order in which they run.

use std::path::{Path, PathBuf};

use super::{Error, Experiment};

impl Experiment {
    /// Reads an experiment file as [`Experiment::read`] does, and before it every file that its
    /// `init-from` names, and theirs: each once, each before what starts from it, this one last. Names
    /// are relative to the file that they stand in, and become those of the runs. Those before it lose
    /// their test sets and language models, as their networks alone are asked for; overrides apply to this
    /// one alone.
    ///
    /// # Errors
    /// Those of [`Experiment::read`] for each file; [`Error::Config`] where a file starts from itself,
    /// or two would run in one folder.
    pub fn read_chain(path: &Path, overrides: &[String]) -> Result<Vec<Self>, Error> {
        let mut chain = Chain::default();
        chain.add(path, overrides)?;
        Ok(chain
            .read
            .into_iter()
            .map(|(_, experiment)| experiment)
            .collect())
    }
}

#[derive(Default)]
struct Chain {
    /// Files that are being read: each starts from the next.
    open: Vec<PathBuf>,
    /// What was read, with its file.
    read: Vec<(PathBuf, Experiment)>,
}

impl Chain {
    /// Reads a file and what it starts from; returns the name of its run.
    fn add(&mut self, path: &Path, overrides: &[String]) -> Result<String, Error> {
        let file = path.canonicalize().map_err(|source| Error::File {
            path: path.to_owned(),
            source,
        })?;
        let refuse = |what: String| Error::Config {
            file: path.display().to_string(),
            line: None,
            what,
        };
        if self.open.contains(&file) {
            return Err(refuse("`init-from` leads back to this file".into()));
        }
        if let Some((_, known)) = self.read.iter().find(|(other, _)| *other == file) {
            return Ok(known.name.clone());
        }
        let mut experiment = Experiment::read(path, overrides)?;
        if !self.open.is_empty() {
            experiment.data.test.clear();
            experiment.lm = None;
        }
        if let Some(start) = &experiment.init_from {
            self.open.push(file.clone());
            let folder = path.parent().unwrap_or(Path::new(""));
            let renamed = start.renamed(|name| match name.ends_with(".toml") {
                true => self.add(&folder.join(name), &[]),
                false => Ok(name.to_owned()),
            })?;
            self.open.pop();
            experiment.init_from = Some(renamed);
        }
        let mut others = self.read.iter();
        if let Some((other, _)) = others.find(|(_, other)| other.name == experiment.name) {
            return Err(refuse(format!(
                "its `name`, {}, is that of {} too: give one of them another",
                experiment.name,
                other.display()
            )));
        }
        let name = experiment.name.clone();
        self.read.push((file, experiment));
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, start: &str) {
        let text = format!(
            "name = \"{name}\"\n{start}\n[data]\ntrain = [{{ corpus = \"fsdd\", split = \"train\" }}]\ndev = [{{ corpus = \"fsdd\", split = \"dev\" }}]\n[features]\nrecipe = \"fbank40-8k\"\n[model]\nlayers = 1\ncells = 8\noutput = [{{ tokens = \"characters\" }}]\n"
        );
        std::fs::write(dir.join(format!("{name}.toml")), text).unwrap();
    }

    fn names(dir: &Path, file: &str, overrides: &[String]) -> Result<Vec<String>, Error> {
        let chain = Experiment::read_chain(&dir.join(file), overrides)?;
        Ok(chain
            .into_iter()
            .map(|experiment| experiment.name)
            .collect())
    }

    #[test]
    fn each_runs_once_and_before_what_starts_from_it() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "first", "");
        write(dir.path(), "left", "init-from = \"first.toml\"");
        write(dir.path(), "right", "init-from = \"first.toml\"");
        let both = "init-from = { \"left.toml\" = 0.4, \"right.toml\" = 0.6 }";
        write(dir.path(), "mean", both);
        let order = names(dir.path(), "mean.toml", &[]).unwrap();
        assert_eq!(order, ["first", "left", "right", "mean"]);
        let chain = Experiment::read_chain(&dir.path().join("mean.toml"), &[]).unwrap();
        let start = chain[3].init_from.as_ref().unwrap();
        assert_eq!(start.parts(), [("left", 0.4), ("right", 0.6)]);
    }

    #[test]
    fn a_circle_and_a_name_that_two_have_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a", "init-from = \"b.toml\"");
        write(dir.path(), "b", "init-from = \"a.toml\"");
        let circle = names(dir.path(), "a.toml", &[]).unwrap_err().to_string();
        assert!(
            circle.contains("a.toml") && circle.contains("leads back"),
            "{circle}"
        );
        write(dir.path(), "c", "");
        write(dir.path(), "d", "init-from = \"c.toml\"");
        let twice = names(dir.path(), "d.toml", &["name=c".into()]);
        assert!(twice.unwrap_err().to_string().contains("c.toml"));
        write(dir.path(), "e", "init-from = \"gone.toml\"");
        let gone = names(dir.path(), "e.toml", &[]).unwrap_err().to_string();
        assert!(gone.contains("gone.toml"), "{gone}");
    }
}
