"""The course, as nbgrader sees it."""

c = get_config()  # noqa: F821 - nbgrader defines it

c.CourseDirectory.course_id = "pytorch"
# The chapter's .py lies one level up on purpose: nbgrader copies all other files into the release.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "*.py"]

# `nbgrader autograde` and formgrader's Autograde button do what `autograder grade` does.
c.Autograde.pre_convert_hook = "autograder.nbgrader_hook.grade_instead"
# ... and `nbgrader generate_feedback` and its button what `autograder feedback` does.
c.GenerateFeedback.pre_convert_hook = "autograder.nbgrader_hook.feedback_instead"

# What a submission may use. All limits and their defaults are in autograder/limits.py.
# torch takes a while to import on a busy machine; an endless loop still ends.
c.Limits.cell_seconds = 60

# How long a cell may run when a student presses Validate.
c.Execute.timeout = 60
