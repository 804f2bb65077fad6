"""From predictions and truths to numbers, in processes of their own, with a journal."""
