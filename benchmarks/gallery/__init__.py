"""Pictures of instances: input, truth and every prediction, chosen by rule."""
