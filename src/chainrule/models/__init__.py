"""The models and their gradients by hand: logistic regression and networks."""
