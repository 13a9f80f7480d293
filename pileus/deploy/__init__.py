"""What a deployment needs: synthesized templates, Lambda packages, checks and costs."""
