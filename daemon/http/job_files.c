/* GET /v1/job-files: what became of the files in jobs.d. */
#include "server.h"

#include "job_files.h"

static json_t *reason_view(const struct bf_job_file *file)
{
    if (file->code == BF_OK) return json_null();
    json_t *view = json_object();
    json_object_set_new(view, "code", json_string(bf_code_name(file->code)));
    json_object_set_new(view, "text", bf_json_text(file->text));
    return view;
}

static json_t *file_view(const struct bf_job_file *file)
{
    json_t *view = json_object(), *errors = json_array();
    for (size_t i = 0; file->complaints && i < file->complaints->count; i++) {
        const struct bf_complaint *complaint = &file->complaints->list[i];
        json_array_append_new(errors, json_pack("{s:o, s:o, s:s}", "pointer", bf_json_text(complaint->pointer), "detail",
                                                bf_json_text(complaint->detail), "code", bf_code_name(complaint->code)));
    }
    json_object_set_new(view, "file", bf_json_text(file->name));
    json_object_set_new(view, "state", json_string(bf_job_file_state_name(file->state)));
    json_object_set_new(view, "job", file->job[0] ? json_string(file->job) : json_null());
    json_object_set_new(view, "reason", reason_view(file));
    json_object_set_new(view, "errors", errors);
    return view;
}

/* A role for some targets sees the files that are jobs there; of the others nothing is known but that they are. */
static bool is_seen(const struct bf_http_request *request, const struct bf_job_file *file)
{
    const struct bf_job *job = NULL;
    if (!request->identity.targets) return true;
    return file->job[0] && bf_engine_find(request->http->engine, file->job, false, &job, NULL) == BF_OK &&
           bf_http_sees(request, bf_job_record(job)->document->target);
}

void bf_handle_list_job_files(struct bf_http_request *request)
{
    const struct bf_job_files *files = request->http->job_files;
    json_t *list = json_array(), *body = json_object();
    struct bf_job_file file;
    for (size_t position = 0; files && bf_job_files_next(files, &position, &file);)
        if (is_seen(request, &file)) json_array_append_new(list, file_view(&file));
    json_object_set_new(body, "directory", bf_json_text(files ? bf_job_files_directory(files) : NULL));
    json_object_set_new(body, "trouble", bf_json_text(files ? bf_job_files_trouble(files) : NULL));
    json_object_set_new(body, "job_files", list);
    bf_http_answer(request, 200, body);
}
