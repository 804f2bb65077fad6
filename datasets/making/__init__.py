"""What several data sets make samples with: pictures, points, axes, draws."""
