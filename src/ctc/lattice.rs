//! The lattice of a target: which labels follow which.

/// A target that no path of so few frames can spell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{frames} frames are too few for the target, which needs {needed}")]
pub struct Infeasible {
    /// Frames that there are.
    pub frames: usize,
    /// Frames that the target needs: its labels, and a blank between two equal ones.
    pub needed: usize,
}

/// The fewest frames that can spell a target: its labels, and a blank between two equal ones.
pub fn needed_frames(target: &[u32]) -> usize {
    target.len() + target.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

/// Whether `frames` frames can spell a target. An empty target is all blanks: always feasible.
pub fn feasible(frames: usize, target: &[u32]) -> Result<(), Infeasible> {
    let needed = needed_frames(target);
    if frames < needed {
        return Err(Infeasible { frames, needed });
    }
    Ok(())
}

/// The map B of Graves et al. 2006, section 3.1: repeats merge, then blanks go.
pub fn collapse(path: &[u32]) -> Vec<u32> {
    let mut labels = Vec::new();
    let mut previous = super::BLANK;
    for &token in path {
        if token != previous && token != super::BLANK {
            labels.push(token);
        }
        previous = token;
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_merge_and_blanks_go() {
        assert_eq!(collapse(&[0, 1, 1, 0, 1, 2, 2, 0]), [1, 1, 2]);
        assert_eq!(collapse(&[0, 0]), [0u32; 0]);
        assert_eq!(collapse(&[]), [0u32; 0]);
    }

    #[test]
    fn equal_neighbours_need_a_blank_between_them() {
        assert_eq!(needed_frames(&[]), 0);
        assert_eq!(needed_frames(&[3, 3, 3, 1]), 6);
        assert_eq!(feasible(6, &[3, 3, 3, 1]), Ok(()));
        let infeasible = feasible(5, &[3, 3, 3, 1]).unwrap_err();
        assert_eq!(
            infeasible,
            Infeasible {
                frames: 5,
                needed: 6
            }
        );
        assert!(infeasible.to_string().contains("needs 6"));
    }
}
