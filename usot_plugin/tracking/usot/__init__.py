"""USOT at work: off-line template, memory queue, and the network behind them (PyTorch or ONNX)."""
