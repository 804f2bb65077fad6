"""A cell is a model or a control on a data set under a protocol: trained, predicted, measured, recorded."""
