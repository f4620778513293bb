//! Records: what a cell leaves, and the statistics over them.
