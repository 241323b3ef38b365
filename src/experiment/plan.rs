//! What a run will do, said before it begins.

use super::material::{inventories, places, sets};
use super::sets::Part;
use super::{Error, Experiment, RunOptions};
use crate::acoustic::AcousticModel;
use crate::decode::Decoder;
use crate::features::Recipe;
use crate::nn::Runtime;

/// Everything about a run that can be said before it begins, a line each: the plan of `--dry-run`.
///
/// # Errors
/// A recipe or an architecture that is wrong. Corpora that are not there are lines of the plan.
pub fn plan_of(experiment: &Experiment, options: &RunOptions) -> Result<Vec<String>, Error> {
    let places = places(experiment, options);
    let recipe = Recipe::named(&experiment.features.recipe)?;
    let mut lines = vec![
        format!("experiment   {}", experiment.name),
        format!(
            "run          {}",
            options.runs.join(&experiment.name).display()
        ),
        format!("seed         {}", experiment.seed),
        format!("instructions {}", Runtime::new(experiment.precision).path),
        format!(
            "features     {} ({} a frame, {:.0} ms)",
            experiment.features.recipe,
            recipe.dim(),
            1000.0 * recipe.seconds_per_frame()
        ),
    ];
    for (role, set, part, copies) in sets(experiment) {
        let state = match places.locate(&set) {
            Err(error) => format!("missing: {error}"),
            Ok(place) if places.is_cached(&set, part, &recipe, &copies) => {
                format!("{} (features cached)", place.display())
            }
            Ok(place) => format!("{} (features to extract)", place.display()),
        };
        let share = match part {
            Part::Between(from, to) => format!("{:.3} of ", to - from),
            Part::HeldOut(share) => format!("{share:.3} of "),
            Part::Whole => String::new(),
        };
        lines.push(format!("{role:<12} {share}{} from {state}", set.name()));
    }
    let model = AcousticModel::new(
        &experiment.model,
        inventories(experiment)?,
        recipe.dim(),
        Runtime::new(experiment.precision),
        experiment.seed,
    )?;
    let directions = if experiment.model.bidirectional {
        "bidirectional "
    } else {
        ""
    };
    lines.push(format!(
        "model        {} {directions}layers of {} {:?} cells, {} parameters",
        experiment.model.layers,
        experiment.model.cells,
        experiment.model.cell,
        model.parameters().count()
    ));
    for output in model.outputs() {
        lines.push(format!("output       {} tokens", output.tokens.len()));
    }
    if let Some(start) = &experiment.init_from {
        lines.push(format!("start        the weights of {start}"));
    }
    if let Some(expected) = &experiment.expected_loss {
        lines.push(format!(
            "loss         expected errors, {} alignments an utterance, and {} of the CTC loss",
            expected.samples, expected.ctc_weight
        ));
    }
    if experiment.train.epochs == 0 {
        lines.push("train        nothing: it is measured as it starts".into());
    } else {
        let there = options.runs.join(&experiment.name);
        let there = match there.join("train/final.safetensors").is_file() {
            true => "; a trained network is there, and is taken if it is this one",
            false => "",
        };
        lines.push(format!(
            "train        {} epochs, {} frames a batch{there}",
            experiment.train.epochs, experiment.train.batch_frames
        ));
    }
    let needs = |recompute| experiment.step_memory(recompute).map(|bytes| bytes >> 20);
    lines.push(match experiment.model.recompute {
        false => format!(
            "memory       {} MiB a step; {} with `model.recompute = true`, which takes longer",
            needs(false)?,
            needs(true)?
        ),
        true => format!(
            "memory       {} MiB a step, as activations are computed again; {} without",
            needs(true)?,
            needs(false)?
        ),
    });
    let decoder = Decoder::new(&experiment.decode, &inventories(experiment)?, None, &[])?;
    lines.push(format!("decode       {decoder}"));
    if let Some(lm) = &experiment.lm {
        lines.push(format!("lm           {}", lm.describe()));
    }
    Ok(lines)
}
