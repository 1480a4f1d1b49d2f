"""Reading what requests give: texts, images, classes, templates, models; within limits, naming what is wrong."""
