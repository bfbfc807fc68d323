//! The table walked exhaustively.
