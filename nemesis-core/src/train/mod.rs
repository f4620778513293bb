//! Training: optimiser, schedule, epoch loop, features.
