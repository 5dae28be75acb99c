"""GOT-10k test set: only the first boxes are public, results go to the server.

DATA_ROOT holds test/."""

_base_ = ['./got10k_val.py']

test_dataloader = dict(dataset=dict(subset='test'))
test_evaluator = dict(_delete_=True, type='SubmissionOnly')
